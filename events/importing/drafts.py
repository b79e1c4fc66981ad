"""Turns a row of a file into an unsaved event."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.text import slugify

from accounts.models import User
from config.api.files.csv_rows import Row, RowError
from config.errors import ValidationFailed

from ..models import Event
from ..recurrence import InvalidRecurrence
from ..services.attendance import with_attendance_mode
from ..services.editing import DEFAULT_LENGTH, check_times
from .calendars import PROPERTIES, CalendarRow
from .categories import Categories
from .fields import MAX_DESCRIPTION, RowReader
from .keys import identity_key, import_key
from .recurring import Recurring, cancelled_occurrence, recurring


@dataclass(slots=True)
class Draft:
    """The unsaved event of a row, and the text of its category.

    `event` is None for an entry that only cancels an event that was imported before. `recurring`
    has all events of an entry that recurs.
    """

    row: Row
    key: str
    event: Event | None
    category: str = ""
    recurring: Recurring | None = None

    @property
    def events(self) -> list[Event]:
        if self.recurring:
            return self.recurring.events
        return [] if self.event is None else [self.event]


class Drafter:
    """Makes drafts for one organizer."""

    def __init__(self, organizer: User, categories: Categories) -> None:
        self._organizer = organizer
        self._categories = categories
        self._reader = RowReader(organizer)
        self._now = timezone.now()

    def draft(self, row: Row) -> Draft | list[RowError]:
        """The draft of a row, or all errors of the row."""
        draft = self._event(row)
        if isinstance(draft, Draft) and isinstance(row, CalendarRow):
            return _with_dates(self, row, draft, self._now)
        if isinstance(row, CalendarRow) and row.is_cancelled and row.identity:
            return Draft(row, identity_key(row.identity), None)
        return draft

    def _event(self, row: Row) -> Draft | list[RowError]:
        """The single event of a row, without its recurrence."""
        values = self._reader.values(row.line, row.cells)
        if isinstance(values, list):
            return [_in_calendar(row, error) for error in values]
        category, errors = self._category(row, values.pop("category", ""))
        url = values.pop("url", "")
        errors += _add_url(row, values, url)
        if values.get("end_time") is None:
            values["end_time"] = values["start_time"] + DEFAULT_LENGTH
        event = Event(
            organizer=self._organizer, created_at=self._now, updated_at=self._now, **values
        )
        try:
            for name, value in with_attendance_mode(values).items():
                setattr(event, name, value)
            check_times(event, set(), self._now)
        except ValidationFailed as refusal:
            errors += _row_errors(row, refusal)
        if errors:
            return errors
        if row.identity:
            key = identity_key(row.identity)
        else:
            key = import_key(*_identity(event, category=slugify(category), url=url))
        event.import_key = key
        event.import_sequence = row.sequence if isinstance(row, CalendarRow) else 0
        return Draft(row, key, event, category)

    def _category(self, row: Row, text: str) -> tuple[str, list[RowError]]:
        """The category of a row and its errors. Of several categories, the first known one."""
        if isinstance(row, CalendarRow):
            text = next((name for name in row.categories if self._categories.knows(name)), text)
        if not text or self._categories.knows(text):
            return text, []
        error: RowError | None = None
        if not 1 <= len(slugify(text)) <= 50:
            reason = "Use a name that has 1 to 50 letters a to z or digits."
            error = RowError(row.line, "category", reason)
        elif not self._categories.creates:
            reason = f"There is no category {text[:50]!r}; GET /api/categories/ lists them."
            error = RowError(row.line, "category", reason, "unknown_category")
        return text, [] if error is None else [_in_calendar(row, error)]


def _with_dates(
    drafter: Drafter, row: CalendarRow, draft: Draft, now: datetime
) -> Draft | list[RowError]:
    """The draft with the cancellation and the recurrence of a calendar entry."""
    event = draft.event
    assert event is not None  # noqa: S101  # `_event` makes one
    if row.is_cancelled:
        event.status, event.cancelled_at = Event.Status.CANCELLED, now
        return draft
    if not (row.rule or row.added):
        return draft
    changed: list[tuple[CalendarRow, Event]] = []
    errors: list[RowError] = []
    try:
        for change in row.changed:
            changed_draft = drafter._event(change)
            if change.is_cancelled:
                changed.append((change, cancelled_occurrence(row, change, event)))
            elif isinstance(changed_draft, Draft) and changed_draft.event is not None:
                changed.append((change, changed_draft.event))
            elif isinstance(changed_draft, list):
                errors += changed_draft
        draft.recurring = None if errors else recurring(row, event, changed, now)
    except InvalidRecurrence as error:
        errors.append(RowError(row.line, "RRULE", str(error), "invalid_recurrence"))
    except ValidationFailed as error:
        errors += _row_errors(row, error)
    return errors or draft


def _add_url(row: Row, values: dict[str, Any], url: str) -> list[RowError]:
    description = values.get("description", "")
    if not url or url in description:
        return []
    values["description"] = f"{description}\n\n{url}".strip()
    if len(values["description"]) <= MAX_DESCRIPTION:
        return []
    error = RowError(row.line, "url", "The description becomes too long with it.", "max_length")
    return [_in_calendar(row, error)]


def _row_errors(row: Row, refusal: ValidationFailed) -> list[RowError]:
    return [
        _in_calendar(row, RowError(row.line, fault["field"], fault["detail"], fault["code"]))
        for fault in refusal.facts["errors"]
    ]


def _in_calendar(row: Row, error: RowError) -> RowError:
    """The error, with the property of a calendar in place of the column."""
    if not isinstance(row, CalendarRow) or error.column is None:
        return error
    column = PROPERTIES.get(error.column, error.column)
    return RowError(error.line, column, error.reason, error.code)


def _identity(event: Event, *, category: str, url: str) -> tuple[str, ...]:
    """The cells that identify a row without an identity of its own.

    Some sources list a conference once for each topic, or twice with different URLs. Each of these
    is an event. A row with a correction in another cell is still the same event.
    """
    return event.name, event.start_time.isoformat(), event.location, category, url

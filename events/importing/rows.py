"""Events of rows, whatever file these are from."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.http import QueryDict
from django.utils.text import slugify
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.models import User
from config.api import csv_rows
from config.api.csv_rows import ImportRefused, Row, RowError
from config.api.fields import LineField
from config.errors import ValidationFailed

from ..models import Category, Event, Series
from ..recurrence import InvalidRecurrence
from ..serializers import EventCreateIn
from ..services.editing import DEFAULT_LENGTH, check_times
from ..zones import NonexistentTime, instant
from .calendars import PROPERTIES, CalendarRow
from .recurring import Recurring, recurring

BATCH_SIZE = 500

# The rules of a cell are those of the API. To its fields a row is a form: text only.
_FIELDS = EventCreateIn(data=QueryDict()).fields
_CELLS: dict[str, Any] = {
    "name": _FIELDS["name"],
    "description": _FIELDS["description"],
    "location": _FIELDS["location"],
    "start_time": _FIELDS["start_time"],
    "end_time": _FIELDS["end_time"],
    "timezone": _FIELDS["timezone"],
    "category": LineField(max_length=100),
    "url": LineField(max_length=2000),
    "status": _FIELDS["status"],
    "max_capacity": _FIELDS["max_capacity"],
    "waitlist_enabled": _FIELDS["waitlist_enabled"],
    "registration_opens_at": _FIELDS["registration_opens_at"],
    "registration_closes_at": _FIELDS["registration_closes_at"],
    "meeting_url": _FIELDS["meeting_url"],
}
COLUMNS = tuple(_CELLS)
REQUIRED_COLUMNS = ("name", "location", "start_time")
_TIMES = ("start_time", "end_time", "registration_opens_at", "registration_closes_at")
_REASONS = {
    ("status", "invalid_choice"): "Write published or draft.",
    ("waitlist_enabled", "invalid"): "Write true or false.",
}

# Names that are not just their slug with a capital letter.
_SPELLINGS = {
    "api": "API",
    "cfml": "CFML",
    "cpp": "C++",
    "css": "CSS",
    "devops": "DevOps",
    "dotnet": ".NET",
    "graphql": "GraphQL",
    "ios": "iOS",
    "iot": "IoT",
    "javascript": "JavaScript",
    "opensource": "Open source",
    "php": "PHP",
    "sre": "SRE",
    "typescript": "TypeScript",
    "ux": "UX",
}


@dataclass
class Report:
    """How many rows became events, were events before, or are bad; `saved` if that was kept.

    Of the created ones `series` recur, and have `occurrences` together.
    """

    created: int = 0
    already_there: int = 0
    bad: int = 0
    errors: list[RowError] = field(default_factory=list)
    series: int = 0
    occurrences: int = 0
    new_categories: list[str] = field(default_factory=list)
    saved: bool = False


def import_key(*parts: str) -> str:
    """A digest that does not mind case, spaces at the ends, or how accents are encoded."""
    folded = (unicodedata.normalize("NFC", part).strip().casefold() for part in parts)
    return hashlib.sha256("\x1f".join(folded).encode()).hexdigest()


def read_csv(file: BinaryIO) -> Iterator[Row | RowError]:
    """The rows of a CSV file whose first line names `COLUMNS`. Raises `ImportRefused`."""
    return csv_rows.read_csv(file, known=COLUMNS, required=REQUIRED_COLUMNS)


@transaction.atomic
def import_rows(
    rows: Iterable[Row | RowError],
    organizer: User,
    *,
    dry_run: bool = False,
    skip_errors: bool = False,
) -> Report:
    """Make events of rows, past ones too. What was imported before stays as it is by now.

    One bad row and nothing is kept, unless `skip_errors`. A dry run does it all and takes it back.
    Raises `ImportRefused`, also on behalf of a reader.
    """
    _keep_other_imports_out(organizer)
    report = Report()
    drafts = _drafts(rows, organizer, report)
    categories = dict(Category.objects.values_list("slug", "pk"))
    for batch in _batches(drafts):
        _insert(batch, organizer, categories, report)
    report.saved = not dry_run and (skip_errors or not report.bad)
    if not report.saved:
        transaction.set_rollback(True)
    return report


def _keep_other_imports_out(organizer: User) -> None:
    """Until the transaction ends, so that what is already there is told apart for certain."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtext('events.importing'), %s)",
            [organizer.pk % 2**31],
        )
        if cursor.fetchone() != (True,):
            raise ImportRefused(
                f"Another import for {organizer.email} is running; wait until it has ended."
            )


def _batches(drafts: Iterable["_Draft"]) -> Iterator[list["_Draft"]]:
    """Of as many events as one statement writes, however often each recurs."""
    batch: list[_Draft] = []
    size = 0
    for draft in drafts:
        batch.append(draft)
        size += len(_events_of(draft))
        if size >= BATCH_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class _Draft:
    """An event to be, and its category in the words of the row; all events when it recurs."""

    event: Event
    category: str
    recurring: Recurring | None = None


def _drafts(rows: Iterable[Row | RowError], organizer: User, report: Report) -> Iterator[_Draft]:
    """What the good rows say; the bad ones go to the report."""
    for row in rows:
        made = [row] if isinstance(row, RowError) else _draft(row, organizer)
        if isinstance(made, _Draft):
            yield made
        else:
            report.bad += 1
            report.errors += made


def _draft(row: Row, organizer: User) -> _Draft | list[RowError]:
    """What a row says, or all that is wrong with it."""
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for column, field_of_column in _CELLS.items():
        cell = row.cells.get(column, "").strip()
        if cell:
            try:
                values[column] = field_of_column.run_validation(cell)
            except ValidationError as error:
                faults[column] = _reason(column, error)
        elif column in REQUIRED_COLUMNS:
            faults[column] = "The cell is empty."

    category = values.pop("category", "")
    slug = slugify(category)
    if category and not 1 <= len(slug) <= 50:
        faults["category"] = "Use a name that has 1 to 50 letters a to z or digits."
    url = values.pop("url", "")
    if url and url not in values.get("description", ""):
        values["description"] = f"{values.get('description', '')}\n\n{url}".strip()
        if len(values["description"]) > _CELLS["description"].max_length:
            faults["url"] = "The description becomes too long with it."
    values.setdefault("timezone", organizer.timezone)
    if "timezone" not in faults:
        faults |= _to_instants(values)
    if not faults:
        values.setdefault("end_time", values["start_time"] + DEFAULT_LENGTH)
        event = Event(organizer=organizer, **values)
        faults |= _time_faults(event)
    if faults:
        names = PROPERTIES if isinstance(row, CalendarRow) else {}
        return [
            RowError(row.line, names.get(name, name), faults[name])
            for name in COLUMNS
            if name in faults
        ]

    event.import_key = import_key(
        *([row.identity] if row.identity else _identity(event, category=slug, url=url))
    )
    if not isinstance(row, CalendarRow):
        return _Draft(event, category)
    return _calendar_draft(row, event, category)


def _calendar_draft(row: CalendarRow, event: Event, category: str) -> _Draft | list[RowError]:
    """As `_draft`, with what a calendar says beside the cells of a row."""
    now = event.created_at
    if row.is_cancelled:
        event.status, event.cancelled_at = Event.Status.CANCELLED, now
    if row.is_cancelled or not (row.rule or row.added):
        return _Draft(event, category)
    changed: list[tuple[CalendarRow, Event]] = []
    errors: list[RowError] = []
    for change in row.changed:
        made = _draft(change, event.organizer)
        if isinstance(made, _Draft):
            changed.append((change, made.event))
        else:
            errors += made
    try:
        return errors or _Draft(event, category, recurring(row, event, changed, now))
    except InvalidRecurrence as error:
        return [RowError(row.line, "RRULE", str(error))]
    except ValidationFailed as error:
        return [
            RowError(row.line, PROPERTIES.get(fault["field"], fault["field"]), fault["detail"])
            for fault in error.facts["errors"]
        ]


def _reason(column: str, error: ValidationError) -> str:
    detail: ErrorDetail = error.detail[0]  # type: ignore[index,assignment]
    return _REASONS.get((column, str(detail.code)), str(detail))


def _to_instants(values: dict[str, Any]) -> dict[str, str]:
    """Turn wall-clock times into instants; returns what is wrong, by column."""
    zone = ZoneInfo(values["timezone"])
    faults = {}
    for column in _TIMES:
        if column in values:
            try:
                values[column] = instant(values[column], zone)
            except NonexistentTime:
                faults[column] = f"The clocks in {zone} skip this time."
    return faults


def _time_faults(event: Event) -> dict[str, str]:
    try:
        check_times(event, set(), event.created_at)
    except ValidationFailed as error:
        return {fault["field"]: fault["detail"] for fault in error.facts["errors"]}
    return {}


def _identity(event: Event, *, category: str, url: str) -> tuple[str, ...]:
    """What makes two rows the same one.

    Sources list a conference once per topic, and now and then twice with different addresses:
    each of these is a row of its own. A row whose other cells were corrected since is not.
    """
    return event.name, event.start_time.isoformat(), event.location, category, url


def _insert(
    batch: list[_Draft], organizer: User, categories: dict[str, int], report: Report
) -> None:
    """Save those that are new. `categories` are the known ones by slug, and grows."""
    new: dict[str, _Draft] = {}
    for draft in batch:
        new.setdefault(str(draft.event.import_key), draft)
    for key in Event.objects.filter(organizer=organizer, import_key__in=new).values_list(
        "import_key", flat=True
    ):
        del new[str(key)]
    for draft in new.values():
        if draft.category:
            _set_category(draft, _category_id(draft.category, categories, report))
    recurrent = [draft.recurring for draft in new.values() if draft.recurring]
    Series.objects.bulk_create([made.series for made in recurrent if made.series])
    Event.objects.bulk_create([event for draft in new.values() for event in _events_of(draft)])
    report.created += len(new)
    report.series += len(recurrent)
    report.occurrences += sum(len(made.events) for made in recurrent)
    report.already_there += len(batch) - len(new)


def _events_of(draft: _Draft) -> list[Event]:
    return draft.recurring.events if draft.recurring else [draft.event]


def _set_category(draft: _Draft, category_id: int) -> None:
    series = draft.recurring.series if draft.recurring else None
    for event in _events_of(draft):
        event.category_id = category_id
    if series is not None:
        series.category_id = category_id


def _category_id(text: str, known: dict[str, int], report: Report) -> int:
    slug = slugify(text)
    if slug not in known:
        category, is_new = Category.objects.get_or_create(
            slug=slug, defaults={"name": _category_name(text)}
        )
        known[slug] = category.pk
        if is_new:
            report.new_categories.append(slug)
    return known[slug]


def _category_name(text: str) -> str:
    """`text`, when somebody wrote it with capitals; else as a name is written: `Tech comm`."""
    if text != text.lower():
        return text
    return _SPELLINGS.get(text) or text[0].upper() + re.sub(r"[-_]+", " ", text[1:])

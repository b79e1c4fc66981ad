"""Updates events by a later version of their calendar (RFC 5545, section 3.8.7.4)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django.db import transaction
from django.utils import timezone

from config.api.files.csv_rows import RowError
from config.errors import DomainError, ValidationFailed

from ..models import Category, Event, Series
from ..recurrence import parse_exclusion
from ..services.editing import edit_event, lock_event
from ..services.lifecycle import cancel_event, cancel_locked_events, publish_event
from ..services.series import cancel_series, publish_series
from ..services.series_editing import edit_series
from ..zones import wall_clock
from .calendars import PROPERTIES, CalendarRow
from .categories import Categories
from .drafts import Draft
from .keys import identity_key

# The fields that a calendar updates. Others, such as the capacity, stay unchanged.
_TEXTS = ("name", "description", "location", "latitude", "longitude")
_TIMES = ("start_time", "end_time", "timezone")


@dataclass(slots=True)
class Update:
    """The outcome of a row that was imported before."""

    UNCHANGED: ClassVar[str] = "unchanged"
    UPDATED: ClassVar[str] = "updated"
    CANCELLED: ClassVar[str] = "cancelled"
    REFUSED: ClassVar[str] = "refused"

    outcome: str = "unchanged"
    notes: list[RowError] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)


def occurrence_of(draft: Draft, imported: dict[str, Event]) -> Event | None:
    """The event of an entry with a RECURRENCE-ID, whose series was imported before."""
    row = draft.row
    if not isinstance(row, CalendarRow) or not row.occurrence:
        return None
    first = imported.get(identity_key(row.series_identity))
    if first is None or first.series is None:
        return None
    return _event_at(first.series, row.occurrence)


def update_imported(
    draft: Draft, event: Event, imported: dict[str, Event], categories: Categories
) -> Update:
    """Updates an event, or its series, by a later version, unless it was edited by hand since.

    Attendees are notified. A published event never becomes a draft. Caller is in a transaction.
    """
    row, update = draft.row, Update()
    if not isinstance(row, CalendarRow) or event.deleted_at is not None:
        return update
    known = event.import_sequence or 0
    is_newer = row.sequence > known or (row.is_cancelled and row.sequence == known)
    if not is_newer or event.status == Event.Status.CANCELLED:
        return update
    updater = _Updater(row, draft, imported, categories, update)
    try:
        with transaction.atomic():  # an invalid row changes nothing
            updater.update(event)
    except ValidationFailed as refusal:
        update.errors = [
            RowError(row.line, PROPERTIES.get(str(fault["field"])), fault["detail"], fault["code"])
            for fault in refusal.facts["errors"]
        ]
    except DomainError as refusal:
        update.errors = [RowError(row.line, None, refusal.message)]
    if update.errors:
        update.outcome = Update.REFUSED
    elif update.outcome != Update.UNCHANGED:
        Event.objects.filter(pk=event.pk).update(import_sequence=row.sequence)
    return update


@dataclass(slots=True)
class _Updater:
    """Applies one row. `_imported` has the existing events of its file, by key."""

    _row: CalendarRow
    _draft: Draft
    _imported: dict[str, Event]
    _categories: Categories
    _update: Update

    def update(self, event: Event) -> None:
        series = None if self._row.occurrence else event.series
        if (series or event).edited_since_import:
            self._note("A later version was not imported: the event was edited here since.")
        elif self._row.is_cancelled:
            cancel_series(series) if series else _cancel(event)
            self._update.outcome = Update.CANCELLED
        elif self._row.is_private and (series or event).status == Event.Status.PUBLISHED:
            self._note("The entry is private now; what is published stays as it is.")
        elif series:
            self._update_series(series)
        else:
            self._update_event(event)

    def _update_event(self, event: Event) -> None:
        if self._draft.recurring and self._draft.recurring.series:
            self._note("The entry recurs now. Delete the event to import it as a series.")
            return
        events = self._draft.events
        self._edit(event, events[0])
        for other in events[1:]:  # of an entry that lists its dates
            self._edit_or_add(self._imported.get(str(other.import_key)), other)
        self._update.outcome = Update.UPDATED

    def _update_series(self, series: Series) -> None:
        recurring = self._draft.recurring
        if recurring is None or recurring.series is None:
            self._note("The entry does not recur any more; the series stays as it is.")
            return
        new = recurring.series
        changes = {name: getattr(new, name) for name in (*_TEXTS, *_TIMES)} | self._category()
        changes |= {"rule": new.schedule.rule, "excluded": new.exclusions}
        edit_series(series, changes, by_import=True)
        if new.status == Series.Status.PUBLISHED and series.status == Series.Status.DRAFT:
            publish_series(series)
        identity = self._row.identity
        zone = series.rule_zone
        nominal = {
            identity_key(f"{identity} {row.occurrence}"): wall_clock(at, zone)
            for at, row in recurring.changed
        }
        for event in recurring.events:
            key = str(event.import_key)
            if event.import_key is None or (key == self._draft.key and key not in nominal):
                continue  # an unchanged occurrence of the rule
            existing = self._imported.get(key)
            if existing is None and key in nominal:
                existing = series.events.filter(nominal_start=nominal[key]).first()
            event.series = series
            self._edit_or_add(existing, event)
        self._update.outcome = Update.UPDATED

    def _edit_or_add(self, event: Event | None, new: Event) -> None:
        if event is None:
            for name, value in self._category().items():
                setattr(new, name, value)
            new.save(force_insert=True)
        elif not event.edited_since_import and event.status != Event.Status.CANCELLED:
            self._edit(event, new)

    def _edit(self, event: Event, new: Event) -> None:
        """Applies the values of an unsaved event to an existing one."""
        if new.status == Event.Status.CANCELLED:
            _cancel(event)
            return
        names = [*_TEXTS, *_TIMES]
        if event.has_started():
            names = [*_TEXTS]
            if any(getattr(event, name) != getattr(new, name) for name in _TIMES):
                self._note("The event has started; its times stay as they are.")
        edit_event(
            event, {name: getattr(new, name) for name in names} | self._category(), by_import=True
        )
        is_published = new.status == Event.Status.PUBLISHED
        if is_published and event.status == Event.Status.DRAFT and not new.has_started():
            publish_event(event)
        if new.import_key:
            Event.objects.filter(pk=event.pk).update(
                import_key=new.import_key, import_sequence=new.import_sequence
            )

    def _category(self) -> dict[str, Any]:
        name = self._draft.category
        if not name:
            return {}
        return {"category": Category.objects.get(pk=self._categories.id_of(name))}

    def _note(self, reason: str) -> None:
        self._update.notes.append(RowError(self._row.line, None, reason))


def _cancel(event: Event) -> None:
    if event.status == Event.Status.DRAFT:
        cancel_locked_events([lock_event(event.pk)], timezone.now(), reason="")
    else:
        cancel_event(event)


def _event_at(series: Series, occurrence: str) -> Event | None:
    """The event of a RECURRENCE-ID, which is an instant or a nominal day."""
    moment = parse_exclusion(occurrence, series.rule_zone)
    if isinstance(moment, datetime):
        nominal = wall_clock(moment, series.rule_zone)
    else:
        nominal = datetime.combine(moment, series.nominal_start.time())
    return series.events.filter(nominal_start=nominal).first()

"""Creating, filling, publishing and ending series.

Lock order: the organizer's account, the series, its events by id, registrations.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from accounts.audit import attributed_to_key, audited
from accounts.models import User
from config.api.versions import check_version
from config.errors import FieldError, NotFound, ValidationFailed

from ..models import Event, EventDetails, Series, SeriesQuerySet
from ..recurrence import AHEAD, InvalidRecurrence, Recurrence, Schedule, Turn
from .attendance import with_attendance_mode
from .editing import (
    DEFAULT_LENGTH,
    check_times,
    delete_locked_events,
    locks_organizer_first,
)
from .lifecycle import cancel_locked_events
from .planned_times import TIMES, clock_offsets, times_of

MAX_LENGTH = timedelta(days=366)

_BATCH = 100
# The fields that an occurrence copies from its series.
SHARED = tuple(
    field.attname
    for field in EventDetails._meta.concrete_fields
    if not field.name.endswith(("_time", "_at"))
)


def create_series(organizer: User, *, recurrence: Recurrence, **fields: Any) -> Series:
    """Creates a series and its occurrences. Raises `ValidationFailed`."""
    series, events = _new_series_with_events(organizer, recurrence, fields)
    with transaction.atomic(), attributed_to_key():
        series.save()
        Event.objects.bulk_create(events)
    return series


def preview_series(organizer: User, *, recurrence: Recurrence, **fields: Any) -> list[Event]:
    """The events that `create_series` would create, unsaved. Raises its errors."""
    return _new_series_with_events(organizer, recurrence, fields)[1]


@transaction.atomic
@locks_organizer_first
@audited("published")
def publish_series(series: Series) -> Series:
    """Makes a draft and its coming occurrences public. A published series stays unchanged."""
    series = lock_series(series.pk)
    if series.status == Series.Status.DRAFT:
        now = timezone.now()
        drafts = series.events.existing().filter(status=Event.Status.DRAFT, start_time__gt=now)
        lock_events(drafts)
        drafts.update(
            status=Event.Status.PUBLISHED,
            sequence=F("sequence") + 1,
            version=F("version") + 1,
            updated_at=now,
        )
        series.status = Series.Status.PUBLISHED
        save_series(series, now)
    return series


@transaction.atomic
@locks_organizer_first
@audited("ended")
def end_series(
    series: Series, *, expected_versions: set[str] | None = None, notify: bool = True
) -> None:
    """Cancels coming occurrences with registrations, and deletes the others and the series."""
    series = lock_series(series.pk)
    check_version(series.edit_tag, expected_versions)
    now = timezone.now()
    events = lock_events(series.events.ended_with_series(now))
    drop_events(events, now, reason="The series has ended.", notify=notify)
    series.deleted_at = now
    save_series(series, now)


@transaction.atomic
@audited("cancelled")
def cancel_series(series: Series) -> None:
    """Cancels the coming occurrences that were not edited since the import. Deletes the series."""
    series = lock_series(series.pk)
    now = timezone.now()
    coming = series.events.existing().exclude(status=Event.Status.CANCELLED)
    coming = coming.filter(start_time__gt=now, edited_since_import=False)
    cancel_locked_events(lock_events(coming), now, reason="")
    series.deleted_at = now
    save_series(series, now)


def unfinished_series_of(organizer: User) -> SeriesQuerySet:
    """Series with coming published events, whoever owns these."""
    coming = Event.objects.published().upcoming().filter(series=OuterRef("pk"))
    return Series.objects.existing().filter(Exists(coming), organizer=organizer)


def end_series_of(organizer: User) -> None:
    """Ends the series of an account that ends. No further occurrences are created."""
    now = timezone.now()
    Series.objects.existing().filter(organizer=organizer).update(deleted_at=now, updated_at=now)


def fill_series() -> int:
    """Creates the occurrences of endless series up to a year from now, and returns their number.

    Safe to run at any time and concurrently: existing occurrences are not created again.
    """
    created = 0
    horizon = timezone.now() + AHEAD
    while True:
        with transaction.atomic():
            batch = list(
                Series.objects.existing()
                .filter(filled_to__lt=horizon, organizer__is_active=True)
                # In lock order: the organizers' accounts before the series.
                .select_related("organizer")
                .select_for_update(of=("self", "organizer"), no_key=True, skip_locked=True)
                .order_by("filled_to", "pk")[:_BATCH]
            )
            if not batch:
                return created
            created += _fill(batch, horizon)


def _fill(batch: list[Series], horizon: datetime) -> int:
    """Caller holds the locks of the series."""
    now = timezone.now()
    existing = set(
        Event.objects.filter(
            series__in=batch,
            rule_number=F("series__rule_number"),
            nominal_start__gt=nominal_bound(now),
        ).values_list("series_id", "nominal_start")
    )
    due = [
        (series, turn)
        for series in batch
        for turn in _due(series, now, horizon)
        if (series.pk, turn.nominal) not in existing
    ]
    _insert(due, now)
    Series.objects.filter(pk__in=[series.pk for series in batch]).update(filled_to=horizon)
    return len(due)


def nominal_bound(at: datetime) -> datetime:
    """A wall-clock time before `at` in every zone, whatever gaps are near."""
    return at.astimezone(UTC).replace(tzinfo=None) - timedelta(days=3)


def _insert(due: list[tuple[Series, Turn]], now: datetime) -> None:
    """Inserts the events of `occurrences_of`. The database copies the fields of the series.

    So Python only handles the times of thousands of events.
    """
    times = [times_of(series, turn) for series, turn in due]
    lists: list[Any] = [
        [series.pk for series, _ in due],
        [turn.nominal for _, turn in due],
    ]
    lists += [[of_one[name] for of_one in times] for name in TIMES]
    columns, values, parameters = [], [], []
    for field in Event._meta.concrete_fields:
        if field.primary_key or field.generated:
            continue
        columns.append(f'"{field.column}"')
        if field.name in {"series", "nominal_start", *TIMES}:
            values.append(f"due.{field.column}")
        elif field.name in {"organizer", "category", "status", "rule_number", *SHARED}:
            values.append(f"series.{field.column}")
        else:
            is_now = field.name in {"created_at", "updated_at"}
            default = now if is_now else field.get_default()
            values.append("%s")
            parameters.append(field.get_db_prep_save(default, connection))
    names = ", ".join(["series_id", "nominal_start", *TIMES])
    arrays = ", ".join(["%s::bigint[]", "%s::timestamp[]"] + ["%s::timestamptz[]"] * len(TIMES))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO events_event ({', '.join(columns)}) SELECT {', '.join(values)} "  # noqa: S608  # nosec
            f"FROM unnest({arrays}) AS due({names}) JOIN events_series series ON id = series_id "
            "ORDER BY series_id, nominal_start",
            [*parameters, *lists],
        )


def _due(series: Series, now: datetime, horizon: datetime) -> list[Turn]:
    after = max(now, series.filled_to or now)
    try:
        return series.schedule.occurrences(after, horizon)
    except InvalidRecurrence:  # more than MAX_OCCURRENCES
        return []


# --- Shared by creating and editing -------------------------------------------------------------


def new_series(organizer: User, recurrence: Recurrence, now: datetime, **fields: Any) -> Series:
    """An unsaved series, with the times of its first occurrence."""
    series = Series(organizer=organizer, created_at=now, updated_at=now, **fields)
    if series.end_time is None:
        series.end_time = series.start_time + DEFAULT_LENGTH
    zone = ZoneInfo(series.timezone)
    series.schedule = Schedule.written(
        recurrence.rule, series.start_time, zone, recurrence.excluded
    )
    series.clock_offsets = clock_offsets(series, zone)
    return series


def plan_occurrences(series: Series, now: datetime, *, after: datetime | None = None) -> list[Turn]:
    """The turns after `after` that get events. Sets `filled_to`.

    An endless series is filled up to a year from now, or from its start if that is later. Raises
    `InvalidRecurrence`.
    """
    schedule = series.schedule
    schedule.check()
    set_filled_to(series, now)
    return schedule.planned(after, series.filled_to)


def set_filled_to(series: Series, now: datetime) -> None:
    """Sets until when an endless series has events. Others have all of theirs."""
    is_endless = series.schedule.rule.is_endless
    series.filled_to = max(series.start_time, now) + AHEAD if is_endless else None


def occurrences_of(series: Series, turns: Iterable[Turn], now: datetime) -> Iterator[Event]:
    """The unsaved events of a series at these turns."""
    shared = {name: getattr(series, name) for name in SHARED}
    for turn in turns:
        yield Event(
            series=series,
            nominal_start=turn.nominal,
            rule_number=series.rule_number,
            organizer_id=series.organizer_id,
            category_id=series.category_id,
            status=series.status,
            created_at=now,
            updated_at=now,
            **shared,
            **times_of(series, turn),
        )


def check_lengths(series: Series) -> None:
    """Raises `ValidationFailed` for lengths that could put times beyond the calendar."""
    too_far = [
        FieldError(name, "max_value", "Choose a time within a year of the start.")
        for name in ("end_time", "registration_closes_at")
        if (moment := getattr(series, name)) and moment - series.start_time > MAX_LENGTH
    ]
    if too_far:
        raise ValidationFailed(*too_far)


def refused(error: InvalidRecurrence) -> ValidationFailed:
    return ValidationFailed(FieldError("recurrence", "invalid_recurrence", str(error)))


def drop_events(events: list[Event], now: datetime, *, reason: str, notify: bool = True) -> None:
    """Cancels events with registrations, and deletes the others. Caller holds their locks."""
    booked = [event for event in events if event.has_people]
    cancel_locked_events(booked, now, reason=reason, notify=notify)
    delete_locked_events([event for event in events if event not in booked], now)
    Event.objects.filter(pk__in=[event.pk for event in events]).update(nominal_start=None)


def lock_series(series_id: int) -> Series:
    series = (
        Series.objects.existing()
        .select_related("organizer", "category")
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=series_id)
        .first()
    )
    if series is None:  # deleted a moment ago
        raise NotFound
    return series


def lock_events(events: Any) -> list[Event]:
    """Locks events in the order of their ids, so that concurrent transactions cannot deadlock."""
    return list(events.for_display().select_for_update(of=("self",), no_key=True).order_by("pk"))


def save_series(series: Series, now: datetime) -> None:
    series.version += 1
    series.updated_at = now
    series.save()


def _new_series_with_events(
    organizer: User, recurrence: Recurrence, fields: dict[str, Any]
) -> tuple[Series, list[Event]]:
    now = timezone.now()
    series = new_series(organizer, recurrence, now, **with_attendance_mode(fields))
    check_times(series, {"start_time"}, now)
    check_lengths(series)
    try:
        turns = plan_occurrences(series, now)
    except InvalidRecurrence as error:
        raise refused(error) from error
    if not turns:
        raise refused(InvalidRecurrence("The rule gives no occurrence that is not excluded."))
    return series, list(occurrences_of(series, turns, now))

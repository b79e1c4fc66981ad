"""Series: making them, keeping them filled, publishing and ending them.

Lock order: the organizer's account, the series, its events by id, registrations.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.audit import audited
from accounts.models import User
from config.api.conditional import check_version
from config.errors import FieldError, NotFound, ValidationFailed

from ..models import Event, Plan, Series
from ..recurrence import InvalidRecurrence, Recurrence, expand
from .editing import (
    DEFAULT_LENGTH,
    TIMES,
    check_times,
    delete_locked_events,
    organizer_first,
    times_at,
)
from .lifecycle import cancel_locked_events

#: How far ahead the occurrences of an endless rule exist.
AHEAD = timedelta(days=365)

MAX_LENGTH = timedelta(days=366)

_BATCH = 100
# What an occurrence has as its series has it.
SHARED = tuple(
    field.name for field in Plan._meta.get_fields() if not field.name.endswith(("_time", "_at"))
)


def create_series(organizer: User, *, recurrence: Recurrence, **fields: Any) -> Series:
    """Make a series and its occurrences. Raises `ValidationFailed`."""
    series, events = _drafted(organizer, recurrence, fields)
    with transaction.atomic():
        series.save()
        Event.objects.bulk_create(events)
    return series


def preview_series(organizer: User, *, recurrence: Recurrence, **fields: Any) -> list[Event]:
    """What `create_series` would make, and raises; nothing is written."""
    return _drafted(organizer, recurrence, fields)[1]


@transaction.atomic
@organizer_first
@audited("published")
def publish_series(series: Series) -> Series:
    """Make a draft and its coming occurrences public; a published series stays as it is."""
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
@organizer_first
@audited("ended")
def end_series(
    series: Series, *, expected_versions: set[str] | None = None, notify: bool = True
) -> None:
    """Cancel the coming occurrences that have registrations, remove the others and the series."""
    series = lock_series(series.pk)
    check_version(series.edit_tag, expected_versions)
    now = timezone.now()
    events = lock_events(series.events.ended_with_series(now))
    drop_events(events, now, reason="The series has ended.", notify=notify)
    series.deleted_at = now
    save_series(series, now)


def end_series_of(organizer: User) -> None:
    """The end of an account: nothing is made for it any more."""
    now = timezone.now()
    Series.objects.existing().filter(organizer=organizer).update(deleted_at=now, updated_at=now)


def fill_series() -> int:
    """Make the occurrences of endless series that are due a year from now; returns how many.

    Safe to run at any time and by several at once: what is there is not made again.
    """
    made = 0
    horizon = timezone.now() + AHEAD
    while True:
        with transaction.atomic():
            batch = list(
                Series.objects.existing()
                .filter(filled_to__lt=horizon, organizer__is_active=True)
                # The organizers' accounts too: they are locked before what belongs to them.
                .select_related("organizer")
                .select_for_update(of=("self", "organizer"), no_key=True, skip_locked=True)
                .order_by("filled_to", "pk")[:_BATCH]
            )
            if not batch:
                return made
            made += _fill(batch, horizon)


def _fill(batch: list[Series], horizon: datetime) -> int:
    """Caller holds the locks of the series."""
    now = timezone.now()
    there = set(
        Event.objects.filter(series__in=batch, occurrence_at__gt=now).values_list(
            "series_id", "occurrence_at"
        )
    )
    due = [
        (series, at)
        for series in batch
        for at in _due(series, now, horizon)
        if (series.pk, at) not in there
    ]
    _insert(due, now)
    Series.objects.filter(pk__in=[series.pk for series in batch]).update(filled_to=horizon)
    return len(due)


def _insert(due: list[tuple[Series, datetime]], now: datetime) -> None:
    """As `occurrences_of`, but the database copies what an event has as its series has it.

    Thousands of events pass through Python as their times alone.
    """
    times = [times_at(series, at, series.rule_zone) for series, at in due]
    lists: list[Any] = [[series.pk for series, _ in due], [at for _, at in due]]
    lists += [[of_one[name] for of_one in times] for name in TIMES]
    columns, values, parameters = [], [], []
    for field in Event._meta.concrete_fields:
        if field.primary_key or field.generated:
            continue
        columns.append(f'"{field.column}"')
        if field.name in {"series", "occurrence_at", *TIMES}:
            values.append(f"due.{field.column}")
        elif field.name in {"organizer", "category", "status", *SHARED}:
            values.append(f"series.{field.column}")
        else:
            is_now = field.name in {"created_at", "updated_at"}
            default = now if is_now else field.get_default()
            values.append("%s")
            parameters.append(field.get_db_prep_save(default, connection))
    named = ", ".join(["series_id", "occurrence_at", *TIMES])
    arrays = ", ".join(["%s::bigint[]"] + ["%s::timestamptz[]"] * (len(lists) - 1))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO events_event ({', '.join(columns)}) SELECT {', '.join(values)} "  # noqa: S608  # nosec
            f"FROM unnest({arrays}) AS due({named}) JOIN events_series series ON id = series_id "
            "ORDER BY series_id, occurrence_at",
            [*parameters, *lists],
        )


def _due(series: Series, now: datetime, horizon: datetime) -> list[datetime]:
    after = max(now, series.filled_to or now)
    try:
        return expand(
            series.recurrence, series.start_time, series.rule_zone, after=after, to=horizon
        )
    except InvalidRecurrence:  # it matches no more
        return []


# --- What creating and editing have in common ---------------------------------------------------


def occurrences_of(series: Series, instants: Iterable[datetime], now: datetime) -> Iterator[Event]:
    """The events that a series has at these instants, not saved yet."""
    shared = {name: getattr(series, name) for name in SHARED}
    for at in instants:
        yield Event(
            series=series,
            occurrence_at=at,
            organizer_id=series.organizer_id,
            category_id=series.category_id,
            status=series.status,
            created_at=now,
            updated_at=now,
            **shared,
            **times_at(series, at, series.rule_zone),
        )


def check_lengths(series: Series) -> None:
    """Raises `ValidationFailed` for what would lead the last occurrences out of the calendar."""
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
    """Cancel those that have registrations, remove the others. Caller holds their locks."""
    booked = [event for event in events if event.registered_count or event.waitlist_count]
    cancel_locked_events(booked, now, reason=reason, notify=notify)
    delete_locked_events([event for event in events if event not in booked], now)
    Event.objects.filter(pk__in=[event.pk for event in events]).update(occurrence_at=None)


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
    """In the order of ids, so that two who lock several wait for each other and do not deadlock."""
    return list(events.for_display().select_for_update(of=("self",), no_key=True).order_by("pk"))


def save_series(series: Series, now: datetime) -> None:
    series.version += 1
    series.updated_at = now
    series.save()


def _drafted(
    organizer: User, recurrence: Recurrence, fields: dict[str, Any]
) -> tuple[Series, list[Event]]:
    now = timezone.now()
    series = Series(
        organizer=organizer,
        rule=recurrence.rule.text,
        excluded=sorted(recurrence.excluded),
        rule_timezone=fields["timezone"],
        created_at=now,
        updated_at=now,
        **fields,
    )
    if series.end_time is None:
        series.end_time = series.start_time + DEFAULT_LENGTH
    check_times(series, {"start_time"}, now)
    check_lengths(series)
    if recurrence.rule.is_endless:
        series.filled_to = series.start_time + AHEAD
    try:
        instants = expand(recurrence, series.start_time, series.rule_zone, to=series.filled_to)
    except InvalidRecurrence as error:
        raise refused(error) from error
    if not instants:
        raise refused(InvalidRecurrence("The rule gives no occurrence within a year."))
    return series, list(occurrences_of(series, instants, now))

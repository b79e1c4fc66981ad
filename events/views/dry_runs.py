"""What dry runs of changes of events and series would do."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone
from rest_framework.response import Response

from accounts.notifications.enqueueing import Enqueued
from config.api.http.dry_runs import Observed, Report, changed_fields
from config.api.views import ApiView

from ..models import Event, RegistrationMode, Series
from ..serializers.event_input import EventEditIn
from ..serializers.events import EventOut
from ..serializers.series import SeriesEditIn, SeriesOut
from .access import EventAccess

MANY_MAILS = 1000


def observe_event(view: EventAccess, pk: int) -> Observed:
    before = _event_fields(view, pk)
    changes = EventChanges([pk])

    def report(response: Response) -> Report:
        return changes.report(changed_fields(before, _event_fields(view, pk)))

    return report


def observe_copy(view: EventAccess, pk: int) -> Observed:
    changes = EventChanges([])
    return lambda response: changes.report([], added=[response.data["id"]])


def observe_transfer(view: ApiView, pk: int) -> Observed:
    """Nothing but the team changes before the transfer is accepted."""
    mails = Enqueued()
    return lambda response: Report(mails=mails.by_kind())


def observe_series(view: ApiView, pk: int) -> Observed:
    before, ids = _series_fields(view, pk), _occurrences(pk)
    changes = EventChanges(ids, is_of_series=True)

    def report(response: Response) -> Report:
        added = set(_occurrences(pk)) - set(ids)
        return changes.report(changed_fields(before, _series_fields(view, pk)), added=added)

    return report


class EventChanges:
    """The events of a dry run before its work, which are compared with those after it."""

    def __init__(self, ids: Iterable[int], *, is_of_series: bool = False) -> None:
        self.now = timezone.now()
        self.is_of_series = is_of_series
        self.before = _by_id(ids)
        self.mails = Enqueued()

    def report(
        self,
        changed: list[dict[str, Any]],
        *,
        added: Iterable[int] = (),
        leaves_pending: bool = False,
    ) -> Report:
        """`leaves_pending` if the work would leave people pending in any case."""
        after = _by_id([*self.before, *added])
        mails = self.mails.by_kind()
        warnings = [*self._warnings(after, mails)]
        if leaves_pending or any(self._leaves_pending(event) for event in after.values()):
            warnings.append("people_stay_pending")
        return Report(changed, mails, self._reminders(after), warnings)

    def _reminders(self, after: dict[int, Event]) -> dict[str, int]:
        old, new = self._pending(self.before), self._pending(after)
        return {
            "moved": sum(key in new and new[key] != at for key, at in old.items()),
            "dropped": len(old.keys() - new.keys()),
        }

    def _pending(self, events: dict[int, Event]) -> dict[tuple[int, int], datetime]:
        """The times of the reminders that are still to be sent."""
        return {
            (event.pk, hours): at
            for event in events.values()
            if event.status == Event.Status.PUBLISHED and event.deleted_at is None
            for hours in event.reminder_hours
            if (at := event.start_time - timedelta(hours=hours)) > self.now
        }

    def _warnings(self, after: dict[int, Event], mails: dict[str, int]) -> Iterable[str]:
        edited = [
            event
            for pk, event in after.items()
            if pk not in self.before or self.before[pk].version != event.version
        ]
        current = [event for event in edited if _is_current(event, self.now)]
        if any(event.start_time <= self.now + timedelta(days=1) for event in current):
            yield "starts_within_a_day"
        if sum(mails.values()) > MANY_MAILS:
            yield "tells_many"
        if _overlaps_another([event.pk for event in current if self._is_rescheduled(event)]):
            yield "overlaps_own_event"
        if any(self._closes_registration(event) for event in current):
            yield "closes_registration_now"
        if self.is_of_series and any(
            event.edited_by_hand and event.pk in self.before for event in edited
        ):
            yield "edits_hand_edited"
        if any(_is_queue_blocked(event, self.now) for event in after.values()):
            yield "queue_blocked"

    def _is_rescheduled(self, event: Event) -> bool:
        old = self.before.get(event.pk)
        return old is None or any(
            getattr(old, name) != getattr(event, name)
            for name in ("start_time", "end_time", "status")
        )

    def _leaves_pending(self, event: Event) -> bool:
        """Whether people are pending while approval or the event itself is called off."""
        old = self.before.get(event.pk)
        if old is None or not event.pending_count or not _is_current(old, self.now):
            return False
        approval = RegistrationMode.APPROVAL
        ends_approval = old.registration_mode == approval != event.registration_mode
        return ends_approval or not _is_current(event, self.now)

    def _closes_registration(self, event: Event) -> bool:
        old = self.before.get(event.pk)
        return old is not None and old.gives_seats(self.now) and not event.gives_seats(self.now)


def _by_id(ids: Iterable[int]) -> dict[int, Event]:
    return Event.objects.defer("search_vector", "description").in_bulk(list(ids))


def _event_fields(view: EventAccess, pk: int) -> dict[str, Any]:
    """The fields that an edit may change. Empty for an event that the caller does not see."""
    row = view.visible_events(pk).for_display().filter(pk=pk).first()
    if row is None:
        return {}
    shown = EventOut(row, context=view.get_serializer_context()).data
    return {name: shown[name] for name in (*EventEditIn().fields, "status") if name in shown}


def _series_fields(view: ApiView, pk: int) -> dict[str, Any]:
    rows = Series.objects.visible_to(view.request.user, *view.needed_permissions)
    row = rows.for_display().filter(pk=pk).first()
    if row is None:
        return {}
    shown = SeriesOut(row, context=view.get_serializer_context()).data
    names = (*SeriesEditIn().fields, "status", "occurrence_count")
    return {name: shown[name] for name in names if name in shown}


def _occurrences(series_id: int) -> list[int]:
    coming = Event.objects.filter(series=series_id, start_time__gt=timezone.now())
    return list(coming.values_list("pk", flat=True))


def _is_current(event: Event, now: datetime) -> bool:
    is_off = event.status == Event.Status.CANCELLED or event.deleted_at is not None
    return not is_off and event.start_time > now


def _is_queue_blocked(event: Event, now: datetime) -> bool:
    return _is_current(event, now) and event.waitlist_count > 0 and event.available_seats != 0


def _overlaps_another(ids: list[int]) -> bool:
    others = (
        Event.objects.published()
        .filter(
            organizer=OuterRef("organizer"),
            start_time__lt=OuterRef("end_time"),
            end_time__gt=OuterRef("start_time"),
        )
        .exclude(pk=OuterRef("pk"))
    )
    return Event.objects.filter(Exists(others), pk__in=ids).exists()

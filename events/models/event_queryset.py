"""Queries of events: visibility, time, seats, and the columns of each use."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q, Sum, Value
from django.db.models.functions import Left
from django.utils.timezone import now

from config.api.sql.compiled_queries import current_instant
from config.api.staff_rights import has_staff_right

from .base import Visibility
from .expressions import Contains, Overlaps, Span
from .places import place_of
from .rights import listed_events, own_events

if TYPE_CHECKING:
    from accounts.models import User

    from .event import Event  # noqa: F401  # the type argument of the base class

FEED_DESCRIPTION_LENGTH = 500  # characters

_PUBLIC = Q(visibility=Visibility.PUBLIC)


def is_ongoing() -> Q:
    return Q(Contains(Span("start_time", "end_time"), Value(current_instant())))


def happens_between(begin: datetime, end: datetime) -> Q:
    """Whether an event takes place at an instant from `begin` on and before `end`."""
    return Q(Overlaps(Span("start_time", "end_time"), Span(Value(begin), Value(end))))


class EventQuerySet(models.QuerySet["Event"]):
    def existing(self) -> "EventQuerySet":
        """Not deleted."""
        return self.filter(deleted_at=None)

    def published(self) -> "EventQuerySet":
        return self.existing().filter(status=self.model.Status.PUBLISHED)

    def listed(self) -> "EventQuerySet":
        """Published ones that are not unlisted: those that everybody finds."""
        return self.published().filter(_PUBLIC)

    def visible_to(
        self, user: "User | AnonymousUser", *permissions: str, is_opened: bool = False
    ) -> "EventQuerySet":
        """Published and cancelled ones; all others for those with a role and staff; no deleted.

        Unlisted ones are visible with a place on them, and to everybody if they are `is_opened`:
        the request has their key. Staff see all by the permission to view events, or by any of
        `permissions`.
        """
        shown = ~Q(status=self.model.Status.DRAFT)
        if not is_opened:
            place = place_of(user)
            shown &= _PUBLIC if place is None else _PUBLIC | place
        return self._shown_to(user, shown, *permissions)

    def listed_for(self, user: "User | AnonymousUser") -> "EventQuerySet":
        """The events that lists show: `visible_to` without the unlisted ones of others."""
        return self._shown_to(user, ~Q(status=self.model.Status.DRAFT) & _PUBLIC)

    def _shown_to(
        self, user: "User | AnonymousUser", shown: Q, *permissions: str
    ) -> "EventQuerySet":
        if has_staff_right(user, "events.view_event", *permissions):
            return self.existing()
        own = own_events(user)
        return self.existing().filter(shown if own is None else shown | own)

    def with_role(self, user: "User | AnonymousUser", role: str | None = None) -> "EventQuerySet":
        """The events on which the user has a role, or this role; no deleted ones."""
        own = listed_events(user, role)
        return self.none() if own is None else self.existing().filter(own)

    def upcoming(self) -> "EventQuerySet":
        return self.filter(start_time__gt=current_instant())

    def ongoing(self) -> "EventQuerySet":
        return self.filter(is_ongoing())

    def past(self) -> "EventQuerySet":
        # The condition on the start is implied. It is for the index of starts.
        at = current_instant()
        return self.filter(end_time__lte=at, start_time__lt=at)

    def with_free_seat(self) -> "EventQuerySet":
        return self.filter(is_available=True)

    def without_free_seat(self) -> "EventQuerySet":
        return self.filter(is_available=False)

    def ended_with_series(self, at: datetime) -> "EventQuerySet":
        """The events of a series that are cancelled or removed when the series ends."""
        return self.existing().filter(start_time__gt=at).exclude(status=self.model.Status.CANCELLED)

    def people_to_notify(self) -> int:
        """The number of people to notify when these events are cancelled, deleted or restored.

        Registered, waitlisted and pending people of published events that have not ended.
        """
        current = self.filter(status=self.model.Status.PUBLISHED, end_time__gt=now())
        total = current.order_by().aggregate(
            people=Sum(F("registered_count") + F("waitlist_count") + F("pending_count"), default=0)
        )
        return int(total["people"])

    def for_display(self) -> "EventQuerySet":
        """With everything that `EventOut` shows, in one query."""
        return self.select_related("organizer", "category").defer("search_vector")

    def for_listing(self) -> "EventQuerySet":
        """With only the columns that `EventOut` shows."""
        return self.select_related("organizer", "category").only(
            "name", "description", "location", "latitude", "longitude",
            "start_time", "end_time", "timezone", "status",
            "max_capacity", "registered_count", "waitlist_enabled", "waitlist_count",
            "waitlist_guest_count", "oversized_count", "max_party_size", "waitlist_policy",
            "registration_mode",
            "pending_count",
            "registration_opens_at", "registration_closes_at", "cancellation_closes_at",
            "attendance_mode", "visibility", "attendee_list", "key_number",
            "series", "average_rating",
            "feedback_count", "created_at", "updated_at", "version", "meeting_url",
            "reminder_hours", "image_name", "image_alt",
            "organizer__username", "category__slug",
        )  # fmt: skip

    def for_calendar(self) -> "EventQuerySet":
        """With only the columns that calendars show."""
        return self.select_related("organizer", "category").only(
            "name", "description", "location", "latitude", "longitude", "start_time", "end_time",
            "timezone", "status", "sequence", "created_at", "updated_at", "meeting_url",
            "visibility", "key_number", "series", "organizer__username", "category__name",
        )  # fmt: skip

    def for_feed(self) -> "EventQuerySet":
        """The same as `for_calendar`, with `description_start` instead of the description."""
        start = Left("description", FEED_DESCRIPTION_LENGTH + 1)
        return self.for_calendar().defer("description").annotate(description_start=start)

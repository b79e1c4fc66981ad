from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.indexes import GinIndex, GistIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import ExpressionWrapper, F, Q, Sum, Value
from django.db.models.functions import Left
from django.utils.timezone import now

from config.api.sql.compiled_queries import current_instant
from config.api.staff_rights import has_staff_right
from config.api.text.folding import Folded, alphabetical

from .base import IS_NOWHERE, IS_SOMEWHERE, Plan, default_reminder_hours  # noqa: F401  # a migration looks for it here
from .category import Category
from .expressions import Holds, Overlaps, Point, Span
from .local_time import LocalDateTimeField
from .sample import Halvings, HalvingsUpTo, IsSampled
from .search_word import HeadingWords, NamesByWeek, NameWords
from .series import Series

FEED_DESCRIPTION_LENGTH = 500  # characters

if TYPE_CHECKING:
    from accounts.models import User

    from ..search.page_planner import PagePlan


def is_ongoing() -> Q:
    return Q(Holds(Span("start_time", "end_time"), Value(current_instant())))


def happens_between(begin: datetime, end: datetime) -> Q:
    """Whether an event has a moment from `begin` on and before `end`."""
    return Q(Overlaps(Span("start_time", "end_time"), Span(Value(begin), Value(end))))


class EventQuerySet(models.QuerySet["Event"]):
    # How this very queryset was narrowed, for a quicker way to its pages; one derived from it has
    # other conditions, and takes the plain way.
    page_plan: "PagePlan | None" = None

    @property
    def page_note(self) -> Any:
        return self.page_plan and self.page_plan.note

    def existing(self) -> "EventQuerySet":
        """Not deleted."""
        return self.filter(deleted_at=None)

    def published(self) -> "EventQuerySet":
        return self.existing().filter(status=Event.Status.PUBLISHED)

    def visible_to(self, user: "User | AnonymousUser", *permissions: str) -> "EventQuerySet":
        """Published and cancelled ones; drafts for their organizer and staff; no deleted ones.

        Staff see drafts by the permission to view events, or by any of `permissions`.
        """
        if has_staff_right(user, "events.view_event", *permissions):
            return self.existing()
        not_draft = ~Q(status=Event.Status.DRAFT)
        own = Q(organizer_id=user.pk) if user.pk else Q()
        return self.existing().filter(not_draft | own if own else not_draft)

    def upcoming(self) -> "EventQuerySet":
        return self.filter(start_time__gt=current_instant())

    def ongoing(self) -> "EventQuerySet":
        return self.filter(is_ongoing())

    def past(self) -> "EventQuerySet":
        # That it started says nothing more, except to the index of starts.
        at = current_instant()
        return self.filter(end_time__lte=at, start_time__lt=at)

    def with_free_seat(self) -> "EventQuerySet":
        return self.filter(is_available=True)

    def without_free_seat(self) -> "EventQuerySet":
        return self.filter(is_available=False)

    def ended_with_series(self, at: datetime) -> "EventQuerySet":
        """Of a series' events, those that its end cancels or removes."""
        return self.existing().filter(start_time__gt=at).exclude(status=Event.Status.CANCELLED)

    def people_to_notify(self) -> int:
        """How many people hear of it when these events are cancelled, deleted or restored.

        Registered and waitlisted people of published events that have not ended.
        """
        public = self.filter(status=Event.Status.PUBLISHED, end_time__gt=now())
        total = public.order_by().aggregate(
            people=Sum(F("registered_count") + F("waitlist_count"), default=0)
        )
        return int(total["people"])

    def for_display(self) -> "EventQuerySet":
        """With what `EventOut` shows, in one query."""
        return self.select_related("organizer", "category").defer("search_vector")

    def for_listing(self) -> "EventQuerySet":
        """With nothing else than what `EventOut` shows."""
        return self.select_related("organizer", "category").only(
            "name", "description", "location", "latitude", "longitude",
            "start_time", "end_time", "timezone", "status",
            "max_capacity", "registered_count", "waitlist_enabled", "waitlist_count",
            "registration_opens_at", "registration_closes_at", "cancellation_closes_at",
            "attendance_mode", "series", "average_rating",
            "feedback_count", "created_at", "updated_at", "version", "meeting_url",
            "reminder_hours",
            "organizer__username", "category__slug",
        )  # fmt: skip

    def for_calendar(self) -> "EventQuerySet":
        """With nothing else than what calendars show."""
        return self.select_related("organizer", "category").only(
            "name", "description", "location", "latitude", "longitude", "start_time", "end_time",
            "timezone", "status", "sequence", "created_at", "updated_at", "meeting_url",
            "organizer__username", "category__name",
        )  # fmt: skip

    def for_feed(self) -> "EventQuerySet":
        """As for calendars, with `description_start` in place of the description."""
        start = Left("description", FEED_DESCRIPTION_LENGTH + 1)
        return self.for_calendar().defer("description").annotate(description_start=start)


_HAS_FREE_SEAT = Q(waitlist_count=0) & (
    Q(max_capacity=None) | Q(registered_count__lt=F("max_capacity"))
)
_IS_PUBLIC = Q(status="published", deleted_at=None)


class Event(Plan):
    class Status(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"
        CANCELLED = "cancelled"

    class RegistrationState(models.TextChoices):
        OPEN = "open"
        FULL = "full"
        WAITLIST = "waitlist"
        NOT_OPEN = "not_open"
        CLOSED = "closed"
        STARTED = "started"
        CANCELLED = "cancelled"
        DRAFT = "draft"

    # Indexes on both and the start are below.
    category = models.ForeignKey(
        Category, models.SET_NULL, null=True, blank=True, related_name="events", db_index=False
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.PUBLISHED)
    organizer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="organized_events", db_index=False
    )
    ends_by_default = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Nobody chose the end: it stays an hour after the start.",
    )
    next_reminder_at = models.DateTimeField(
        null=True, editable=False, help_text="Of those that are still to come; kept by a trigger."
    )
    feedback_asked_at = models.DateTimeField(
        null=True, editable=False, help_text="When attendees were asked how it was."
    )

    registered_count = models.PositiveIntegerField(default=0, editable=False)
    waitlist_count = models.PositiveIntegerField(default=0, editable=False)
    last_queue_number = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="The highest place in the queue given out so far."
    )
    is_available = models.GeneratedField(
        expression=ExpressionWrapper(_HAS_FREE_SEAT, output_field=models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
        help_text="A column of its own for the index: one on the counters would make every "
        "registration write to it.",
    )
    average_rating = models.DecimalField(
        max_digits=3, decimal_places=2, null=True, blank=True, editable=False
    )
    feedback_count = models.PositiveIntegerField(default=0, editable=False)

    series = models.ForeignKey(
        Series, models.PROTECT, null=True, blank=True, editable=False, related_name="events"
    )
    nominal_start = LocalDateTimeField(
        null=True,
        editable=False,
        help_text="The wall-clock time that the rule of its series gives, before a gap of the "
        "clocks moves it and wherever it was moved by hand. It identifies the occurrence. Empty "
        "once the rule has it no more.",
    )
    rule_number = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="Which of the rules of its series gave it; an edit of times begins another.",
    )
    edited_by_hand = models.BooleanField(
        default=False, editable=False, help_text="Edited for itself: the series leaves it."
    )

    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Grows with every edit; registrations leave it."
    )
    sequence = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="RFC 5545 SEQUENCE: grows when time, place or status changes.",
    )
    import_key = models.CharField(  # noqa: DJ001  # of many empty keys each is its own
        max_length=64, null=True, blank=True, editable=False, help_text="Identity in its source."
    )
    import_sequence = models.PositiveIntegerField(
        null=True, editable=False, help_text="SEQUENCE of the calendar entry that was imported."
    )
    edited_since_import = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Edited by hand: later versions of its calendar leave it.",
    )
    cancellation_reason = models.CharField(max_length=500, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    # Kept by a trigger from name (A), category (B), location (C) and description (D).
    search_vector = SearchVectorField(null=True, editable=False)

    objects = EventQuerySet.as_manager()

    audited_fields = (
        *Plan.audited_fields,
        "category",
        "status",
        "organizer",
        "cancellation_reason",
        "deleted_at",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(max_capacity=None) | Q(registered_count__lte=F("max_capacity")),
                name="event_not_overbooked",
            ),
            models.CheckConstraint(
                condition=Q(max_capacity=None) | Q(max_capacity__gte=1),
                name="event_capacity_positive",
            ),
            models.CheckConstraint(
                condition=Q(end_time__gt=F("start_time")), name="event_ends_after_start"
            ),
            models.CheckConstraint(condition=IS_SOMEWHERE | IS_NOWHERE, name="event_on_earth"),
            models.UniqueConstraint(fields=["organizer", "import_key"], name="event_imported_once"),
            # Checked at the end of a transaction, since a moved series takes its own places.
            models.UniqueConstraint(
                fields=["series", "rule_number", "nominal_start"],
                name="one_event_per_occurrence",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]
        indexes = [
            models.Index(fields=["start_time", "id"], condition=_IS_PUBLIC, name="public_by_start"),
            models.Index(fields=["end_time", "id"], condition=_IS_PUBLIC, name="public_by_end"),
            # With the start, or what is upcoming would be looked for among all that is over.
            models.Index(
                fields=["created_at", "id", "start_time"],
                condition=_IS_PUBLIC,
                name="public_by_creation",
            ),
            models.Index(
                alphabetical("name"),
                "id",
                "start_time",
                condition=_IS_PUBLIC,
                name="public_by_alphabet",
            ),
            models.Index(
                fields=["is_available", "start_time", "id"],
                condition=_IS_PUBLIC,
                name="public_by_seats",
            ),
            models.Index(
                fields=["attendance_mode", "start_time", "id"],
                condition=_IS_PUBLIC,
                name="public_by_attendance",
            ),
            models.Index(
                fields=["status", "start_time", "id"],
                condition=Q(deleted_at=None) & ~Q(status="published"),
                name="others_by_status",
            ),
            models.Index(fields=["category"], condition=_IS_PUBLIC, name="public_by_category"),
            # These two for staff as well.
            models.Index(fields=["start_time"], condition=Q(deleted_at=None), name="by_start"),
            GistIndex(Span("start_time", "end_time"), condition=Q(deleted_at=None), name="by_span"),
            GistIndex(
                Point("latitude", "longitude"),
                condition=_IS_PUBLIC & Q(latitude__isnull=False),
                name="public_by_place",
            ),
            models.Index(fields=["category", "start_time", "id"], name="by_category_and_start"),
            models.Index(fields=["organizer", "start_time", "id"], name="by_organizer_and_start"),
            models.Index(
                fields=["next_reminder_at"],
                condition=Q(next_reminder_at__isnull=False),
                name="reminders_due",
            ),
            models.Index(
                fields=["end_time"],
                condition=_IS_PUBLIC & Q(feedback_asked_at=None),
                name="feedback_not_asked",
            ),
            models.Index(
                fields=["series", "start_time", "id"],
                condition=Q(series__isnull=False),
                name="by_series_and_start",
            ),
            # What is new waits in a list, which searches read through: a short one, in kilobytes.
            GinIndex(fields=["search_vector"], name="event_search", gin_pending_list_limit=256),
            GinIndex(
                HeadingWords("search_vector"),
                name="event_heading_search",
                gin_pending_list_limit=256,
            ),
            GinIndex(
                NameWords("search_vector"), name="event_name_search", gin_pending_list_limit=256
            ),
            # Looked into once for each of many weeks, so nothing may wait in a list.
            GinIndex(
                NamesByWeek("search_vector", "start_time"),
                condition=_IS_PUBLIC,
                fastupdate=False,
                name="public_names_by_week",
            ),
            # What facets are counted from, without a look into the table. An entry has room for
            # name and location at their longest, and for no longer text.
            models.Index(
                F("status"),
                F("category"),
                Halvings(),
                F("start_time"),
                include=[
                    "id",
                    "end_time",
                    "deleted_at",
                    "is_available",
                    "organizer",
                    "series",
                    "latitude",
                    "longitude",
                    "location",
                    "name",
                ],
                condition=Q(IsSampled()),
                name="event_sample_facts",
            ),
            GinIndex(
                F("search_vector"),
                HalvingsUpTo(),
                OpClass(Folded("name"), "gin_trgm_ops"),
                OpClass(Folded("location"), "gin_trgm_ops"),
                condition=Q(IsSampled()),
                gin_pending_list_limit=256,
                name="event_sample_folded",
            ),
            GinIndex(OpClass(Folded("name"), "gin_trgm_ops"), name="event_name_folded"),
            GinIndex(OpClass(Folded("location"), "gin_trgm_ops"), name="event_location_folded"),
        ]

    @property
    def edit_tag(self) -> str:
        """Names this row as it was last edited; see `config.api.http.conditional`."""
        return f"{self.pk}.{self.version}"

    @property
    def available_seats(self) -> int | None:
        """None without a limit."""
        return None if self.max_capacity is None else self.max_capacity - self.registered_count

    @property
    def has_free_seat(self) -> bool:
        """Whether a newcomer gets one: those who wait come first."""
        return self.waitlist_count == 0 and self.available_seats != 0

    def has_started(self, at: datetime | None = None) -> bool:
        return self.start_time <= (at or now())

    def is_cancellation_closed(self, at: datetime | None = None) -> bool:
        """Whether attendees with a seat can no longer cancel, though the event has not started."""
        closes = self.cancellation_closes_at
        return closes is not None and closes <= (at or now())

    @property
    def registration_state(self) -> RegistrationState:
        at, state = now(), self.RegistrationState
        if self.status != self.Status.PUBLISHED:
            return state(self.status)
        if self.has_started(at):
            return state.STARTED
        if self.registration_opens_at and at < self.registration_opens_at:
            return state.NOT_OPEN
        if self.registration_closes_at and at >= self.registration_closes_at:
            return state.CLOSED
        if self.has_free_seat:
            return state.OPEN
        return state.WAITLIST if self.waitlist_enabled else state.FULL

    def registration_turns_at(self, after: datetime) -> datetime | None:
        """When `registration_state` may next be another one with nothing of the event changed."""
        turns = (self.start_time, self.registration_opens_at, self.registration_closes_at)
        return min((turn for turn in turns if turn and turn > after), default=None)

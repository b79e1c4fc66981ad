"""Events, and who sees them."""

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now

from .base import (
    IS_NOWHERE,
    IS_SOMEWHERE,
    EventDetails,
    RegistrationMode,
    WaitlistPolicy,
)
from .category import Category
from .event_indexes import INDEXES
from .event_queryset import EventQuerySet
from .local_time import LocalDateTimeField
from .series import Series


class Event(EventDetails):
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

    # `INDEXES` has an index on each of these keys and the start.
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
        help_text="The end is the default one: an hour after the start.",
    )
    next_reminder_at = models.DateTimeField(
        null=True, editable=False, help_text="The next due reminder. A trigger maintains it."
    )
    feedback_asked_at = models.DateTimeField(
        null=True, editable=False, help_text="The time of the invitation to give feedback."
    )

    # Both count people, who may be fewer registrations.
    registered_count = models.PositiveIntegerField(default=0, editable=False)
    waitlist_count = models.PositiveIntegerField(default=0, editable=False)
    waitlist_guest_count = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="How many of the people on the waitlist are guests of a registrant.",
    )
    oversized_count = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="How many waitlisted parties are larger than the whole capacity. Others pass "
        "them.",
    )
    pending_count = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="People who wait for a decision."
    )
    last_queue_number = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="The highest queue number that was assigned."
    )
    was_first_fit = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Newcomers have been allowed to overtake the queue. A trigger maintains it.",
    )
    is_available = models.BooleanField(
        default=True,
        db_default=True,
        editable=False,
        help_text="Whether a new registration gets a seat. A trigger maintains it. An index on the "
        "counters would be updated by every registration.",
    )
    average_rating = models.DecimalField(
        max_digits=3, decimal_places=2, null=True, blank=True, editable=False
    )
    feedback_count = models.PositiveIntegerField(default=0, editable=False)

    image_name = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Names the files of the image, such as `3f…9a-1600x900`. Empty: no image.",
    )
    image_alt = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="What the image shows, for people who do not see it.",
    )

    series = models.ForeignKey(
        Series,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="events",
        db_index=False,
    )
    nominal_start = LocalDateTimeField(
        null=True,
        editable=False,
        help_text="The wall-clock time by the rule of its series, before gaps of the clocks and "
        "edits by hand. It identifies the occurrence. Empty if the rule no longer has it.",
    )
    rule_number = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="The number of its rule in the series. An edit of times starts another rule.",
    )
    edited_by_hand = models.BooleanField(
        default=False, editable=False, help_text="Edited by hand: edits of the series skip it."
    )

    key_number = models.PositiveIntegerField(
        default=1,
        db_default=1,
        editable=False,
        help_text="The secret key of the event changes with it.",
    )
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Increases with every edit, not with registrations."
    )
    sequence = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="RFC 5545 SEQUENCE: increases with changes of time, location or status.",
    )
    import_key = models.CharField(  # noqa: DJ001  # null, since it is unique
        max_length=64,
        null=True,
        blank=True,
        editable=False,
        help_text="Identifies its row in the imported file.",
    )
    import_sequence = models.PositiveIntegerField(
        null=True, editable=False, help_text="SEQUENCE of the imported calendar entry."
    )
    edited_since_import = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Edited by hand: later versions of its calendar skip it.",
    )
    cancellation_reason = models.CharField(max_length=500, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    # Maintained by a trigger from name (A), category (B), location (C) and description (D).
    search_vector = SearchVectorField(null=True, editable=False)

    objects = EventQuerySet.as_manager()

    audited_fields = (
        *EventDetails.audited_fields,
        "category",
        "status",
        "organizer",
        "cancellation_reason",
        "deleted_at",
        "image_name",
        "image_alt",
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
            # Deferred: occurrences of a moved series take the times of each other.
            models.UniqueConstraint(
                fields=["series", "rule_number", "nominal_start"],
                name="one_event_per_occurrence",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]
        indexes = INDEXES

    @property
    def edit_tag(self) -> str:
        """Identifies the last edit of the row; see `config.api.http.conditional`."""
        return f"{self.pk}.{self.version}"

    @property
    def available_seats(self) -> int | None:
        """None without a limit."""
        return None if self.max_capacity is None else self.max_capacity - self.registered_count

    @property
    def has_free_seat(self) -> bool:
        """Whether a new registration gets a seat. Waitlisted ones have priority if they fit."""
        return self.is_open_to_newcomers and self.available_seats != 0

    @property
    def is_open_to_newcomers(self) -> bool:
        """Whether free seats go to newcomers: no party waits, or only ones that do not fit."""
        return (
            self.queue_length == self.oversized_count
            or self.waitlist_policy == WaitlistPolicy.FIRST_FIT
        )

    def set_edited(self, *, by_import: bool = False) -> None:
        """Later edits of its series, and of the file it was imported from, leave it as it is."""
        self.edited_by_hand = self.series_id is not None
        self.edited_since_import |= not by_import

    def gives_seats(self, at: datetime, *, even_closed: bool = False) -> bool:
        """Whether registrations can still get a seat, be it by promotion.

        With `even_closed`, the end of registration does not matter.
        """
        closes = self.registration_closes_at
        return (
            self.status == self.Status.PUBLISHED
            and self.deleted_at is None
            and not self.has_started(at)
            and (even_closed or closes is None or at < closes)
        )

    @property
    def needs_admission(self) -> bool:
        """Whether registering needs more than a free seat or a place on the waitlist."""
        return self.registration_mode != RegistrationMode.OPEN

    @property
    def has_people(self) -> bool:
        """Whether anybody has a seat, is on the waitlist or waits for a decision."""
        return self.registered_count + self.waitlist_count + self.pending_count > 0

    @property
    def queue_length(self) -> int:
        """The number of waitlisted registrations."""
        return self.waitlist_count - self.waitlist_guest_count

    def seats_party(self, party_size: int) -> bool:
        """Whether there are free seats for so many people at once, whoever waits."""
        return self.available_seats is None or party_size <= self.available_seats

    def has_started(self, at: datetime | None = None) -> bool:
        return self.start_time <= (at or now())

    def is_cancellation_closed(self, at: datetime | None = None) -> bool:
        """Whether cancellations of seats are closed. They may close before the start."""
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

    def registration_state_changes_at(self, after: datetime) -> datetime | None:
        """When `registration_state` may next change without a write to the event."""
        changes = (self.start_time, self.registration_opens_at, self.registration_closes_at)
        return min((change for change in changes if change and change > after), default=None)

"""The columns that events and series have in common, and their choices."""

from datetime import tzinfo
from functools import cache
from typing import ClassVar
from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.db import models

_zone_named = cache(ZoneInfo)  # ZoneInfo itself caches only eight zones


def default_reminder_hours() -> list[int]:
    return [24, 1]


_HAS_COORDINATES = models.Q(latitude__isnull=False, longitude__isnull=False)
# Both or neither. PostgreSQL sorts NaN after every number, so the ranges exclude it.
IS_SOMEWHERE = _HAS_COORDINATES & models.Q(latitude__range=(-90, 90), longitude__range=(-180, 180))
IS_NOWHERE = models.Q(latitude__isnull=True, longitude__isnull=True)


MAX_PARTY_SIZE = 50

# The location of an event without a physical location.
ONLINE = "Online"


class AttendanceMode(models.TextChoices):
    IN_PERSON = "in_person"
    ONLINE = "online"
    HYBRID = "hybrid"


class WaitlistPolicy(models.TextChoices):
    STRICT = "strict"
    FIRST_FIT = "first_fit"


class Visibility(models.TextChoices):
    PUBLIC = "public"
    UNLISTED = "unlisted"


class RegistrationMode(models.TextChoices):
    OPEN = "open"
    CONFIRM_ADDRESS = "confirm_address"
    APPROVAL = "approval"
    CODE = "code"


class AttendeeList(models.TextChoices):
    HIDDEN = "hidden"
    NAMES = "names"


def derived_attendance_mode(location: str, meeting_url: str) -> AttendanceMode:
    """The mode that a location and a link imply."""
    if location.casefold() == ONLINE.casefold():
        return AttendanceMode.ONLINE
    return AttendanceMode.HYBRID if meeting_url else AttendanceMode.IN_PERSON


class EventDetails(models.Model):
    """The columns that an organizer edits, which events and series have in common."""

    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    location = models.CharField(max_length=255)
    latitude = models.FloatField(null=True, blank=True, help_text="Degrees north (WGS 84).")
    longitude = models.FloatField(null=True, blank=True, help_text="Degrees east.")
    start_time = models.DateTimeField()
    end_time = models.DateTimeField()
    timezone = models.CharField(max_length=64, default="UTC", help_text="IANA name.")
    meeting_url = models.URLField(max_length=500, blank=True)
    attendance_mode = models.CharField(
        max_length=16,
        choices=AttendanceMode,
        default=AttendanceMode.IN_PERSON,
        db_default=AttendanceMode.IN_PERSON.value,
    )
    is_attendance_mode_set = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="The mode was chosen. Edits do not derive it from location and link.",
    )
    visibility = models.CharField(
        max_length=16,
        choices=Visibility,
        default=Visibility.PUBLIC,
        db_default=Visibility.PUBLIC.value,
        help_text="Unlisted: found by its secret link alone.",
    )
    attendee_list = models.CharField(
        max_length=16,
        choices=AttendeeList,
        default=AttendeeList.HIDDEN,
        db_default=AttendeeList.HIDDEN.value,
        help_text="Names: everybody sees the names of attendees who agreed to it.",
    )
    reminder_hours = ArrayField(models.PositiveSmallIntegerField(), default=default_reminder_hours)
    max_capacity = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    waitlist_enabled = models.BooleanField(default=False)
    max_party_size = models.PositiveSmallIntegerField(
        default=1,
        db_default=1,
        help_text="How many people one registration may bring, the registrant included.",
    )
    waitlist_policy = models.CharField(
        max_length=16,
        choices=WaitlistPolicy,
        default=WaitlistPolicy.STRICT,
        db_default=WaitlistPolicy.STRICT.value,
        help_text="Whether seats wait for the first party of the queue, or go to one that fits.",
    )
    registration_mode = models.CharField(
        max_length=16,
        choices=RegistrationMode,
        default=RegistrationMode.OPEN,
        db_default=RegistrationMode.OPEN.value,
        help_text="What a registration needs to get a seat or a place on the waitlist.",
    )
    registration_opens_at = models.DateTimeField(null=True, blank=True)
    registration_closes_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty: at the start."
    )
    cancellation_closes_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The latest time for cancellations. Empty: the start.",
    )

    # Not a database constraint, which would lock both tables. Forms are never deleted.
    form = models.ForeignKey(
        "events.Form",
        models.DO_NOTHING,
        null=True,
        blank=True,
        editable=False,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The current version of the questions. Empty: registering asks none.",
    )

    audited_fields: ClassVar[tuple[str, ...]] = (
        "name",
        "description",
        "location",
        "latitude",
        "longitude",
        "start_time",
        "end_time",
        "timezone",
        "meeting_url",
        "attendance_mode",
        "visibility",
        "attendee_list",
        "reminder_hours",
        "max_capacity",
        "waitlist_enabled",
        "max_party_size",
        "waitlist_policy",
        "registration_mode",
        "registration_opens_at",
        "registration_closes_at",
        "cancellation_closes_at",
        "form",
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    @property
    def is_unlisted(self) -> bool:
        return self.visibility == Visibility.UNLISTED

    @property
    def zone(self) -> tzinfo:
        return _zone_named(self.timezone)

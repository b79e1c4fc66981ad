from django.conf import settings
from django.db import models
from django.utils.timezone import now

from events.models import Event

from .door_link import DoorLink
from .registration import Registration


class Scan(models.Model):
    """A scan of a ticket at the door of an event: a check-in, or the undoing of one.

    Phones that were offline send their scans later. The scans of a registration in the order of
    `at` decide whether it is checked in, in whatever order they arrive.
    """

    class Kind(models.TextChoices):
        CHECK_IN = "check_in"
        UNDO = "undo"

    event = models.ForeignKey(Event, models.PROTECT, related_name="+", db_index=False)
    registration = models.ForeignKey(
        Registration, models.PROTECT, related_name="scans", db_index=False
    )
    kind = models.CharField(max_length=16, choices=Kind)
    at = models.DateTimeField(help_text="When the ticket was scanned, by the clock of the phone.")
    received_at = models.DateTimeField(default=now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, db_index=False, related_name="+"
    )
    # Without a constraint in the database, since adding one would block writers.
    door_link = models.ForeignKey(
        DoorLink,
        models.DO_NOTHING,
        null=True,
        db_index=False,
        db_constraint=False,
        related_name="+",
        help_text="The link that the scan was made with, for the account `by`.",
    )
    nonce = models.CharField(  # noqa: DJ001  # null, since it is unique
        max_length=100, null=True, help_text="Identifies the scan when it is sent again."
    )
    count = models.PositiveSmallIntegerField(
        null=True, help_text="How many people it admits. Empty: all who were not admitted yet."
    )
    party_size = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="The size of the party at the time of the scan."
    )
    # The response, for a repetition with the same nonce.
    refusal = models.CharField(
        max_length=16, blank=True, help_text="Why the ticket was refused; then nothing changed."
    )
    admitted_now = models.PositiveSmallIntegerField(default=0)
    absent_count = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="After this scan."
    )
    was_checked_in = models.BooleanField(default=False, help_text="Before this scan.")
    checked_in_at = models.DateTimeField(null=True, help_text="After this scan.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["event", "nonce"],
                condition=models.Q(nonce__isnull=False),
                name="one_scan_per_nonce",
            ),
        ]
        indexes = [
            models.Index(fields=["registration", "at", "id"], name="scans_of_registration"),
            models.Index(fields=["by"], condition=models.Q(by__isnull=False), name="scans_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"

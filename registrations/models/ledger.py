"""The append-only list of what happened to seats."""

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from accounts.models import ApiKey
from events.models import Event

from .registration import Registration


class LedgerEntry(models.Model):
    """One change of state of a registration. Append-only: the database refuses edits.

    Entries for a seat that is taken, freed or handed on are written under the event's lock. So
    their ids are in the order in which the changes took effect.
    """

    class Kind(models.TextChoices):
        REGISTERED = "registered"
        QUEUED = "queued"
        PROMOTED = "promoted"
        CANCELLED = "cancelled"
        HANDED_ON = "handed_on"
        CHECKED_IN = "checked_in"
        CHECK_IN_UNDONE = "check_in_undone"
        PENDING = "pending"
        APPROVED = "approved"
        APPROVED_TO_QUEUE = "approved_queued"
        REJECTED = "rejected"
        REOPENED = "reopened"
        PARTY_GROWN = "party_grown"
        PARTY_SHRUNK = "party_shrunk"

    class Reason(models.TextChoices):
        """Why the state changed, or the role of the actor."""

        BY_GUEST = "by_guest"
        BY_ATTENDEE = "by_attendee"
        BY_ORGANIZER = "by_organizer"
        BY_STAFF = "by_staff"
        PLACE_FREED = "place_freed"
        EVENT_EDITED = "event_edited"
        ACCOUNT_CLOSED = "account_closed"

    event = models.ForeignKey(Event, models.PROTECT, related_name="+", db_index=False)
    registration = models.ForeignKey(Registration, models.PROTECT, related_name="ledger")
    kind = models.CharField(max_length=16, choices=Kind)
    at = models.DateTimeField(default=now)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        help_text="The account that changed it; empty for guests and for the system.",
    )
    # Without a constraint in the database, since adding one would block writers.
    key = models.ForeignKey(
        ApiKey,
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_index=False,
        db_constraint=False,
        related_name="+",
        verbose_name="API key",
        help_text="The API key of the actor that changed it.",
    )
    reason = models.CharField(max_length=16, choices=Reason)
    people = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="How many people of the party it is about."
    )

    class Meta:
        verbose_name_plural = "ledger"
        indexes = [
            # Statistics: the few entries that are about more or fewer people than one.
            models.Index(
                fields=["event"],
                condition=models.Q(people__gt=1)
                | models.Q(kind__in=["party_grown", "party_shrunk"]),
                name="ledger_parties",
            ),
            models.Index(fields=["event", "id"], name="ledger_by_event"),
            # For statistics. New registrations with a seat are left out, so they write no entry.
            models.Index(
                fields=["event", "kind", "at"],
                condition=~models.Q(kind="registered"),
                name="ledger_changes",
            ),
            models.Index(
                fields=["actor"], condition=models.Q(actor__isnull=False), name="ledger_by_actor"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"

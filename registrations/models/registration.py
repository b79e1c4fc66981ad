"""Registrations, their states and who holds them."""

import base64
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F, OuterRef, Q, Value
from django.db.models.functions import Collate, Lower
from django.utils import timezone

from config.api.sql.compiled_queries import fetch
from config.api.text.folding import alphabetical
from config.api.text.mailbox_field import MailboxField
from events.links import page_url
from events.models import Event

from .registration_queryset import ERASED_DOMAIN, RegistrationQuerySet

if TYPE_CHECKING:
    from accounts.models import User


# The number of people who are checked in, as `Registration.admitted_count`.
ADMITTED_COUNT = models.Case(
    models.When(checked_in_at=None, then=0), default=F("party_size") - F("absent_count")
)


def new_ticket_code() -> str:
    """128 random bits as 26 characters that are easy to read aloud (base32, RFC 4648, section 6).

    Phones at the door have only digests of the codes. These bits are too many to be guessed. Codes
    that were made before have 80 bits.
    """
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=")


def admitted_people(event: Event) -> int:
    """The number of people who are checked in."""

    def people(values: list[Any] | None) -> models.QuerySet[Any, Any]:
        (event_id,) = values or [event.pk]
        rows = Registration.objects.live().filter(event=event_id, checked_in_at__isnull=False)
        of_all = rows.order_by().annotate(all=Value(1)).values("all")
        return of_all.annotate(people=models.Sum(ADMITTED_COUNT, default=0)).values_list("people")

    rows = fetch("admitted people", people, [event.pk])
    return int(rows[0][0]) if rows else 0


class Registration(models.Model):
    """The seats of a party at an event, or its place in the queue.

    A party is the registrant and their guests; most are one person.

    A cancellation is final: the person registers again in another row.
    """

    class Status(models.TextChoices):
        CONFIRMED = "confirmed"
        WAITLISTED = "waitlisted"
        PENDING = "pending"
        REJECTED = "rejected"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Foreign keys have no index of their own, since each index slows a registration down. Several
    # indexes below begin with the event; those on accounts leave guests out.
    event = models.ForeignKey(Event, models.PROTECT, related_name="registrations", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="registrations",
        help_text="The account that it belongs to; empty for a guest.",
    )
    registered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        help_text="The account that made it, for itself or for a guest.",
    )
    name = models.CharField(max_length=200)
    email = MailboxField(help_text="One spelling for each mailbox.")
    status = models.CharField(max_length=16, choices=Status)
    queue_number = models.PositiveBigIntegerField(
        null=True, blank=True, editable=False, help_text="The order of the queue. Never reused."
    )
    ticket_code = models.CharField(max_length=32, default=new_ticket_code, editable=False)
    link_version = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Grows when it is handed on or joins an account. Earlier links become invalid.",
    )
    # Without a constraint in the database, since adding one would block writers.
    code = models.ForeignKey(
        "RegistrationCode",
        models.DO_NOTHING,
        null=True,
        blank=True,
        editable=False,
        db_index=False,
        db_constraint=False,
        related_name="+",
        help_text="The code that it has used. Its use is given back by a cancellation.",
    )
    source = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Where the person came from, such as a newsletter, for the statistics.",
    )
    party_size = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="The number of people, the registrant included."
    )
    guests = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        editable=False,
        help_text="The named guests: name and email of each, and answers if the event asks them.",
    )
    answers = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        editable=False,
        help_text="The registrant's answers by the key of the question.",
    )
    absent_count = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="How many people of a party that is checked in are not admitted yet.",
    )
    show_name = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Everybody may see the name, if the event has a list of names.",
    )
    registered_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    checked_in_at = models.DateTimeField(null=True, blank=True)
    checked_in_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
    )

    objects = RegistrationQuerySet.as_manager()

    audited_fields = ("name",)  # the rest is in the ledger

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["event", "email"],
                condition=~Q(status="cancelled"),
                name="one_live_registration_per_address",
            ),
            models.CheckConstraint(
                # ASCII only: for other characters PostgreSQL and IDNA disagree about lower case.
                condition=Q(email=Lower(Collate("email", "C"))),
                name="registration_email_lower_case",
            ),
            models.CheckConstraint(
                condition=~Q(status="confirmed") | Q(confirmed_at__isnull=False),
                name="confirmed_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(status="waitlisted") | Q(queue_number__isnull=False),
                name="waitlisted_has_its_number",
            ),
            models.CheckConstraint(
                condition=Q(status="cancelled", cancelled_at__isnull=False)
                | (~Q(status="cancelled") & Q(cancelled_at=None)),
                name="cancelled_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(checked_in_at=None) | ~Q(status="waitlisted"),
                name="nobody_waiting_is_checked_in",
            ),
            models.UniqueConstraint(
                fields=["event", "queue_number"],
                condition=Q(status="waitlisted"),
                name="one_place_in_the_queue",
            ),
            models.CheckConstraint(
                condition=Q(party_size__gt=F("absent_count")), name="party_has_its_people"
            ),
            # Not `unique=True`, which would add a second index for LIKE.
            models.UniqueConstraint(fields=["ticket_code"], name="one_registration_per_ticket"),
        ]
        indexes = [
            models.Index(fields=["event", "registered_at", "id"], name="by_event_and_time"),
            models.Index("event", alphabetical("name"), "id", name="by_event_and_alphabet"),
            models.Index(fields=["event", "email", "id"], name="by_event_and_email"),
            models.Index(
                fields=["event"], condition=Q(checked_in_at__isnull=False), name="checked_in"
            ),
            models.Index(
                fields=["event", "source"], condition=~Q(source=""), name="by_event_and_source"
            ),
            # Lists by status, and statistics. Most events have none of these.
            models.Index(
                fields=["event", "status", "registered_at"],
                condition=Q(status__in=["pending", "rejected"]),
                name="pending_and_rejected",
            ),
            # The names of an event that everybody may see.
            models.Index(
                "event",
                alphabetical("name"),
                "id",
                condition=Q(status="confirmed", show_name=True),
                name="public_names",
            ),
            *(
                models.Index(
                    fields=[account],
                    condition=Q(**{f"{account}__isnull": False}),
                    name=f"registrations_{purpose}",
                )
                for account, purpose in (
                    ("user", "of_user"),
                    ("registered_by", "made_by_user"),
                    ("checked_in_by", "scanned_by_user"),
                )
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    @property
    def meeting_url(self) -> str:
        """The event's link to join, for a confirmed registration only; otherwise empty."""
        return self.event.meeting_url if self.status == self.Status.CONFIRMED else ""

    @property
    def admitted_count(self) -> int:
        """The number of people who are checked in."""
        return 0 if self.checked_in_at is None else self.party_size - self.absent_count

    @property
    def takes_options(self) -> bool:
        """Whether its answers count against the limits of options."""
        return self.status in {self.Status.CONFIRMED, self.Status.WAITLISTED}

    @property
    def is_erased(self) -> bool:
        """Whether the person is erased. No decision is made on such a registration."""
        return self.email.endswith(ERASED_DOMAIN)

    @property
    def page_url(self) -> str | None:
        """The page of the event, with the key of an unlisted one if the registration is live.

        None if it would not open, or if pages are switched off.
        """
        return None if self.hides_event else page_url(self.event)

    @property
    def hides_event(self) -> bool:
        """Whether its holder sees no more of the event than its name and times.

        A registration that has ended no longer opens an unlisted event.
        """
        is_over = self.status in {self.Status.CANCELLED, self.Status.REJECTED}
        return is_over and self.event.is_unlisted

    @property
    def location(self) -> str:
        """Where the event takes place. Empty for those who no longer see it."""
        return "" if self.hides_event else self.event.location

    def is_own_doing(self, actor_id: int | None) -> bool:
        """Whether the actor holds or made the registration. None is a guest with a token."""
        return actor_id in {None, self.user_id, self.registered_by_id}


def has_place(user: "User") -> Q:
    """The condition for events on which an account holds or made a current registration."""
    current = Registration.objects.current().filter(event=OuterRef("pk"))
    return Q(models.Exists(current.filter(user=user))) | Q(
        models.Exists(current.filter(registered_by=user))
    )

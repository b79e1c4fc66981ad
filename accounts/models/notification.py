"""What somebody is told, by e-mail and in their inbox."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import IsNull
from django.utils import timezone

from config.api.text.mailbox_field import MailboxField


class NotificationQuerySet(models.QuerySet["Notification"]):
    def in_inbox_of(self, user: Any, kinds: list[str]) -> "NotificationQuerySet":
        """What a user may read by now; `kinds` are those that are shown in the app."""
        return self.filter(user=user, kind__in=kinds, due_at__lte=timezone.now()).exclude(
            state=Notification.State.DROPPED
        )

    def unread(self) -> "NotificationQuerySet":
        # As the index has it: `read_at IS NULL` alone would not use it.
        return self.alias(is_unread=IsNull(F("read_at"), True)).filter(is_unread=True)


class Notification(models.Model):
    """One fact that one person is told; made in the transaction that causes it.

    A registration inserts one of these in its one statement, so the row is cheap to insert: the
    database has a default for whatever the sender does not say, and the indexes are few and
    partial. No foreign key leads to events or registrations: those are other apps, and a mail
    looks up what it tells of when its turn has come.
    """

    class State(models.TextChoices):
        PENDING = "pending"  # waits for `attempt_at`, or is being sent until then
        SENT = "sent"
        SHOWN = "shown"  # in the inbox alone: the kind has no mail, or its owner wants none
        DROPPED = "dropped"  # no longer true when its turn came, or unwanted
        PARKED = "parked"  # given up, with the reason in `error`

    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=120, help_text="Names the fact, so that it is told once.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, db_index=False
    )
    email = MailboxField()
    event_id = models.BigIntegerField(null=True, blank=True)
    registration_id = models.UUIDField(null=True, blank=True)
    facts = models.JSONField(db_default={}, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now(), help_text="Nobody is told before.")

    state = models.CharField(max_length=8, choices=State, db_default=State.PENDING)
    attempt_at = models.DateTimeField(
        db_default=Now(), help_text="When the mailer looks at it next; the end of a lease too."
    )
    claimed_by = models.IntegerField(null=True, blank=True, help_text="The mailer that has it.")
    attempts = models.PositiveSmallIntegerField(db_default=0)
    error = models.TextField(db_default="", blank=True)
    message_id = models.CharField(max_length=320, db_default="", blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    subject = models.CharField(max_length=255, db_default="", blank=True)
    body = models.TextField(db_default="", blank=True, help_text="As the inbox shows it.")
    read_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints = [
            # Not `unique=True`, which would add a second index for LIKE.
            models.UniqueConstraint(fields=["key"], name="one_notification_per_fact"),
        ]
        indexes = [
            models.Index(
                fields=["attempt_at"], name="notification_due", condition=Q(state="pending")
            ),
            models.Index(
                fields=["claimed_by"],
                name="notification_claimed",
                condition=Q(claimed_by__isnull=False),
            ),
            models.Index(
                F("user"),
                IsNull(F("read_at"), True),
                F("due_at"),
                F("id"),
                name="notification_inbox",
                condition=Q(user__isnull=False),
            ),
            models.Index(fields=["id"], name="notification_parked", condition=Q(state="parked")),
            BrinIndex(fields=["created_at"], name="notification_age", autosummarize=True),
        ]

    def __str__(self) -> str:
        return self.key


class Unsubscription(models.Model):
    """A mailbox that wants no more mails of one kind, whoever has an account with it.

    The only record of it: what an account's `notification_preferences` show is derived from here.
    """

    address_digest = models.CharField(max_length=64, help_text="SHA-256, in hexadecimal digits.")
    kind = models.CharField(max_length=40)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["address_digest", "kind"], name="one_unsubscription_per_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.address_digest[:12]}"


class MailboxBudget(models.Model):
    """The latest mails to a mailbox that its owner did not ask for; see `notifications.budget`.

    A proven mailbox has a row as well, for mails that are unsolicited. The table is unlogged: it is
    empty after a crash of the database.
    """

    mailbox = models.CharField(
        max_length=64, primary_key=True, help_text="SHA-256 of the address, in hexadecimal digits."
    )
    sent_at = ArrayField(models.DateTimeField(), help_text="The newest last.")
    shares = ArrayField(
        models.TextField(),
        default=list,
        db_default=[],
        help_text="The share that each mail was taken from, in the order of `sent_at`.",
    )

    def __str__(self) -> str:
        return f"{len(self.sent_at)} to {self.mailbox[:12]}"

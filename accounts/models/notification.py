"""Notifications, opt-outs, and the budgets of mailboxes."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import IsNull

from config.api import request_ids
from config.api.sql.compiled_queries import current_instant
from config.api.text.mailbox_field import MailboxField


class NotificationQuerySet(models.QuerySet["Notification"]):
    def in_inbox_of(self, user: Any, kinds: list[str]) -> "NotificationQuerySet":
        """The notifications that are due and not dropped, of `kinds`, which the inbox shows.

        `user` is an account or its id.
        """
        return self.filter(user=user, kind__in=kinds, due_at__lte=current_instant()).exclude(
            state=Notification.State.DROPPED
        )

    def unread(self) -> "NotificationQuerySet":
        # The expression of the index. It does not support `read_at IS NULL`.
        return self.alias(is_unread=IsNull(F("read_at"), True)).filter(is_unread=True)


class Notification(models.Model):
    """One notification of one recipient, inserted in the transaction that causes it.

    The statement that registers an attendee inserts a row, so inserting is cheap: the database has
    defaults for optional columns, and there are few indexes, most of them partial. Events and
    registrations belong to other apps, so there are no foreign keys to them. Their current state
    is loaded when the notification is delivered.
    """

    class State(models.TextChoices):
        PENDING = "pending"  # due at `attempt_at`, or claimed until then
        SENT = "sent"
        SHOWN = "shown"  # in the inbox only: the kind has no mail, or the recipient opted out
        DROPPED = "dropped"  # it no longer applied when it was due, or the recipient opted out
        PARKED = "parked"  # given up, with the reason in `error`

    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=120, help_text="Unique, so that a notification exists once.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, db_index=False
    )
    email = MailboxField()
    event_id = models.BigIntegerField(null=True, blank=True)
    registration_id = models.UUIDField(null=True, blank=True)
    facts = models.JSONField(db_default={}, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now(), help_text="It is not delivered before.")

    state = models.CharField(max_length=8, choices=State, db_default=State.PENDING)
    attempt_at = models.DateTimeField(
        db_default=Now(), help_text="The next attempt, or the end of the lease."
    )
    claimed_by = models.IntegerField(null=True, blank=True, help_text="The number of the mailer.")
    attempts = models.PositiveSmallIntegerField(db_default=0)
    error = models.TextField(db_default="", blank=True)
    request_id = models.CharField(
        max_length=request_ids.MAX_LENGTH,
        db_default="",
        blank=True,
        help_text="Of the request or job that caused it. Its log lines have it as well.",
    )
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
    """The opt-out of a mailbox from mails of one kind; see `notifications.opt_outs`.

    The `notification_preferences` of accounts are derived from these rows.
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

"""Webhooks, the deliveries that they owe, and the attempts that were made."""

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import ApiKey


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def existing(self) -> "WebhookQuerySet":
        """Not deleted, and not of an API key that has ended."""
        now = timezone.now()
        works = Q(key__expires_at=None) | Q(key__expires_at__gt=now)
        return self.filter(Q(key=None) | Q(key__revoked_at=None) & works, deleted_at=None)

    def active(self) -> "WebhookQuerySet":
        """Those to which changes are sent."""
        return self.existing().filter(enabled=True, user__is_active=True)

    def end(self) -> int:
        """Deletes webhooks. The rows stay until their deliveries are deleted, in batches."""
        return self.filter(deleted_at=None).update(
            deleted_at=timezone.now(),
            enabled=False,
            url="",
            description="",
            secret=b"",
            previous_secret=None,
            previous_until=None,
        )


class Webhook(models.Model):
    """An address to which the changes of a person's events are sent.

    One that an API key created sends what the key may read, and ends with the key. The secrets are
    encrypted: see `webhooks.secrets`.
    """

    class DisabledReason(models.TextChoices):
        GONE = "gone"  # the receiver answered 410
        FAILING = "failing"  # for five days
        BY_OWNER = "by_owner"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="webhooks")
    key = models.ForeignKey(ApiKey, models.CASCADE, null=True, blank=True, related_name="webhooks")
    url = models.CharField(max_length=2000)
    types = ArrayField(models.CharField(max_length=40))
    events = ArrayField(
        models.BigIntegerField(), null=True, blank=True, help_text="Ids. Empty for all events."
    )
    description = models.CharField(max_length=200, blank=True)
    secret = models.BinaryField()
    previous_secret = models.BinaryField(null=True)
    previous_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then the former secret signs as well."
    )
    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(  # noqa: DJ001  # null in responses too
        max_length=8, choices=DisabledReason, null=True, blank=True
    )
    starts_after = models.BigIntegerField(
        help_text="The end of the log when it was created or enabled."
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    last_success_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="The first failure since the last success."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Since the last success.")
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookQuerySet.as_manager()

    audited_fields = ("url", "types", "events", "description", "enabled", "deleted_at")

    def __str__(self) -> str:
        return self.url or f"webhook {self.pk}"


class WebhookDelivery(models.Model):
    """One change that a webhook sends, or a test. The body is rendered at each attempt."""

    class State(models.TextChoices):
        PENDING = "pending"  # due at `attempt_at`, or claimed until then
        DELIVERED = "delivered"
        FAILED = "failed"  # all attempts did
        DROPPED = "dropped"  # it no longer applied when it was due

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries", db_index=False)
    position = models.BigIntegerField(
        null=True, blank=True, help_text="Of the change. Empty for a test."
    )
    type = models.CharField(max_length=40)
    created_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=9, choices=State, db_default=State.PENDING)
    attempt_at = models.DateTimeField(
        db_default=Now(), help_text="The next attempt, or the end of the lease."
    )
    claimed_by = models.IntegerField(null=True, blank=True, help_text="The number of the sender.")
    tries = models.PositiveSmallIntegerField(
        db_default=0, help_text="Attempts since it was queued."
    )

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["webhook", "position"], name="one_delivery_per_change"),
        ]
        indexes = [
            models.Index(
                fields=["webhook", "attempt_at"],
                name="webhook_delivery_due",
                condition=Q(state="pending"),
            ),
            models.Index(
                fields=["claimed_by"],
                name="webhook_delivery_claimed",
                condition=Q(claimed_by__isnull=False),
            ),
            models.Index(F("webhook"), F("id").desc(), name="webhook_delivery_list"),
            models.Index(fields=["created_at"], name="webhook_delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.change}"

    @property
    def next_attempt_at(self) -> datetime | None:
        """None once it has ended."""
        return self.attempt_at if self.state == self.State.PENDING else None

    @property
    def change(self) -> str:
        """The id of what is sent: that of the change, or of the test."""
        return f"test_{self.pk}" if self.position is None else f"chg_{self.position}"


class WebhookAttempt(models.Model):
    """One request to a receiver. `excerpt` is the beginning of its response."""

    delivery = models.ForeignKey(WebhookDelivery, models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    ms = models.PositiveIntegerField()
    excerpt = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.status or self.error}"


class WebhookQueue(models.Model):
    """How far the log of changes is queued for the webhooks: one row."""

    position = models.BigIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return f"up to {self.position}"

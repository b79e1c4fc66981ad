"""API keys: credentials of programs."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from .user import User

ERASED_KEY_NAME = "Erased key"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def existing(self) -> "ApiKeyQuerySet":
        """Not revoked. An expired key exists until its owner deletes it."""
        return self.filter(revoked_at=None)

    def live(self) -> "ApiKeyQuerySet":
        """Those that work, if the account of the owner does."""
        return self.existing().filter(Q(expires_at=None) | Q(expires_at__gt=now()))


class ApiKey(models.Model):
    """A credential of a program, with part of its owner's rights.

    The key itself is not stored, only its SHA-256. A key has so many random bits that a slower hash
    would add nothing. The row of a revoked key stays, since the ledger and the audit name it.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="keys")
    name = models.CharField(max_length=100)
    hint = models.CharField(max_length=16, help_text="How the key begins, to recognize it by.")
    digest = models.BinaryField(max_length=32, unique=True)
    previous_digest = models.BinaryField(
        max_length=32, null=True, unique=True, help_text="Of the key before the latest rotation."
    )
    previous_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then the key before the latest rotation works."
    )
    scopes = ArrayField(models.CharField(max_length=32))
    events = ArrayField(
        models.BigIntegerField(), null=True, blank=True, help_text="Ids. Empty for all events."
    )
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    audited_fields = ("name", "scopes", "events", "expires_at", "revoked_at")

    # Set for one request: see `config.api.key_scopes`.
    sees_own = True

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @property
    def is_live(self) -> bool:
        is_over = self.expires_at is not None and self.expires_at <= now()
        return self.revoked_at is None and not is_over

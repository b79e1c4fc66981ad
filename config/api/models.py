"""Tables of the HTTP conventions: stored responses and counted requests."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models


class StoredResponse(models.Model):
    """The first response to a request with an Idempotency-Key, stored for replay."""

    fingerprint = models.BinaryField(
        primary_key=True, max_length=32, help_text="SHA-256 of caller, route and key."
    )
    body_digest = models.BinaryField(max_length=32, help_text="HMAC of the request's body.")
    caller = models.BinaryField(
        max_length=32, default=b"", db_default=b"", help_text="Keyed digest of the caller."
    )
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    size = models.PositiveIntegerField(default=0, db_default=0, help_text="Of the body, in bytes.")
    mentions = ArrayField(
        models.BigIntegerField(),
        null=True,
        help_text="Numbers of addresses and user names in the body; see `mentions`.",
    )
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["caller", "created_at"], include=["size"], name="stored_by_caller"
            ),
            GinIndex(fields=["mentions"], gin_pending_list_limit=256, name="stored_by_mention"),
        ]
        verbose_name = "stored response"

    def __str__(self) -> str:
        return f"{self.status} from {self.created_at:%Y-%m-%d %H:%M}"


class RequestCount(models.Model):
    """The requests of one caller in the latest window of one limit: see `rate_limits`.

    The table is unlogged. Token buckets use it too: see `token_buckets`.
    """

    caller = models.BinaryField(
        primary_key=True, max_length=32, help_text="Keyed digest of limit and caller."
    )
    number = models.BigIntegerField(help_text="Of the window, counted from 1970.")
    hits = models.BigIntegerField()
    expires_at = models.DateTimeField(help_text="When the window is over.")

    def __str__(self) -> str:
        return f"{self.hits} until {self.expires_at:%H:%M:%S}"

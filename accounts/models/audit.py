from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.timezone import now


class AuditEntry(models.Model):
    """One change by an organizer or staff: actor, action, values before and after. Append-only.

    A trigger refuses updates other than the erasure of values by `accounts.audit`. Seats are
    recorded in the ledger of registrations instead.
    """

    at = models.DateTimeField(default=now)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The account that did it; empty for commands and the system.",
    )
    # Without a constraint in the database, since adding one would block writers.
    key = models.ForeignKey(
        "accounts.ApiKey",
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_index=False,
        db_constraint=False,
        related_name="+",
        verbose_name="API key",
        help_text="The API key of the actor that did it.",
    )
    action = models.CharField(max_length=32)
    kind = models.CharField(max_length=32, help_text="Of row: event, user …")
    row_id = models.CharField(max_length=36)
    before = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    after = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    request_id = models.CharField(max_length=128, blank=True)

    class Meta:
        verbose_name = "change"
        verbose_name_plural = "changes"
        indexes = [models.Index(fields=["kind", "row_id", "id"], name="audit_by_row")]

    def __str__(self) -> str:
        return f"{self.kind} {self.row_id} {self.action} at {self.at:%Y-%m-%d %H:%M}"

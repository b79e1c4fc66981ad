import base64
import secrets
from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now

from config.api.text.mailbox_field import MailboxField
from events.models import Event

from .registration import Registration


def new_code() -> str:
    """50 random bits as 10 characters that are easy to read aloud (base32, RFC 4648, section 6)."""
    return base64.b32encode(secrets.token_bytes(7)).decode()[:10]


class RegistrationCode(models.Model):
    """A code that registering needs at an event of the mode `code`."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="codes", db_index=False)
    code = models.CharField(max_length=64, default=new_code)
    max_uses = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    uses = models.PositiveIntegerField(
        default=0, editable=False, help_text="Registrations that have used it and are live."
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    email = MailboxField(blank=True, default="", help_text="Empty: for everybody who has it.")
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "code"], name="one_code_per_event"),
            models.CheckConstraint(
                condition=Q(max_uses=None) | Q(uses__lte=F("max_uses")), name="code_not_overused"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class AddressConfirmation(models.Model):
    """A guest's request to register that takes effect when its address is confirmed.

    There is one for each address and event. `version` is part of the token in the e-mail, so a new
    request makes earlier tokens invalid.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    event = models.ForeignKey(Event, models.CASCADE, related_name="+", db_index=False)
    email = MailboxField()
    version = models.PositiveIntegerField(default=0)
    details = models.JSONField(
        default=dict, help_text="The arguments of the registration, without the address."
    )
    expires_at = models.DateTimeField(db_index=True)
    registration = models.ForeignKey(
        Registration, models.CASCADE, null=True, related_name="+", help_text="Once confirmed."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "email"], name="one_request_per_address")
        ]
        indexes = [
            # The erasure of a person.
            models.Index(fields=["email"], name="requests_of_address"),
        ]

    def __str__(self) -> str:
        return f"request {self.pk}"

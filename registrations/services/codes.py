"""Codes that registering needs, and their uses.

A use is taken and given back under the event's lock, in the transaction of the registration. A
constraint of the database keeps it within the limit.
"""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F

from config.errors import FieldError, NotFound, ValidationFailed
from events.models import Event
from events.zones import instant_of_field

from ..errors import CodeInvalid, CodeRequired, CodeUsedUp
from ..models import Registration, RegistrationCode, new_code


@transaction.atomic
def create_code(
    event: Event,
    *,
    code: str = "",
    max_uses: int | None = None,
    expires_at: datetime | None = None,
    email: str = "",
) -> RegistrationCode:
    """Without `code` a random one is made. A naive `expires_at` is in the event's zone.

    Raises `ValidationFailed` if the event has the code, and for a time that does not exist.
    """
    if expires_at is not None:
        expires_at = instant_of_field("expires_at", expires_at, event.zone)
    try:
        with transaction.atomic():
            return RegistrationCode.objects.create(
                event=event,
                code=code or new_code(),
                max_uses=max_uses,
                expires_at=expires_at,
                email=email,
            )
    except IntegrityError as error:
        if "one_code_per_event" not in str(error):
            raise
        detail = "The event already has this code; choose another one."
        raise ValidationFailed(FieldError("code", "unique", detail)) from error


def delete_code(event: Event, pk: int) -> None:
    """Raises `NotFound`. Registrations that have used the code stay as they are."""
    if not RegistrationCode.objects.filter(event=event, pk=pk).delete()[0]:
        raise NotFound


def check_code(event: Event, code: str, email: str, now: datetime) -> RegistrationCode:
    """The code. Raises `CodeRequired`, and `CodeInvalid` for every other reason."""
    if not code:
        raise CodeRequired
    row = RegistrationCode.objects.filter(event=event, code=code).first()
    if row is None or (row.expires_at and row.expires_at <= now) or row.email not in {"", email}:
        raise CodeInvalid
    return row


def take_use(row: RegistrationCode) -> None:
    """Raises `CodeUsedUp`. Caller holds the event lock."""
    free = RegistrationCode.objects.filter(pk=row.pk)
    if row.max_uses is not None:
        free = free.filter(uses__lt=F("max_uses"))
    if not free.update(uses=F("uses") + 1):
        raise CodeUsedUp


def give_use_back(registration: Registration) -> None:
    """For a registration that is being cancelled. Caller holds the event lock."""
    if registration.code_id is not None:
        RegistrationCode.objects.filter(pk=registration.code_id).update(uses=F("uses") - 1)

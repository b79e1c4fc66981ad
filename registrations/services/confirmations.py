"""Requests of guests that take effect when they confirm their address.

A request has the same response and the same work whether or not the address is registered, so
nobody learns that from it. The e-mail to the address says so.
"""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils import timezone

from accounts.errors import InvalidOrExpiredLink
from accounts.models import User
from accounts.notifications import notify
from config.errors import NotFound
from events.models import Event, RegistrationMode

from ..models import AddressConfirmation
from ..tickets import read_confirmation_token
from .answering import read_details
from .codes import check_code
from .eligibility import check_capacity_holds, check_is_open, check_is_visible

LIFETIME = timedelta(hours=24)


@transaction.atomic
def request_confirmation(
    event_id: int,
    email: str,
    details: dict[str, Any],
    *,
    code: str = "",
    by: User | None = None,
    is_opened: bool = False,
) -> AddressConfirmation:
    """Stores the request and sends its e-mail. Earlier tokens for the address become invalid.

    Raises the errors of the event's state, of the code and of the answers, and `PartyTooLarge`.
    """
    now = timezone.now()
    event = Event.objects.existing().defer("search_vector").filter(pk=event_id).first()
    if event is None:
        raise NotFound
    check_is_visible(event, by or AnonymousUser(), is_opened=is_opened)
    answered = read_details(event, details, now)
    check_is_open(event, now)
    if event.registration_mode == RegistrationMode.CODE:
        check_code(event, code, email, now)
    answered.check_version(event)
    check_capacity_holds(event, details["party_size"])
    # The form may change until the confirmation, which asks no further questions.
    accepted = {"answers": answered.answers, "guests": answered.guests, "form_version": None}
    origin = {"code": code, "requested_by": by and by.pk}
    request = _store(event, email, {**details, **accepted, **origin}, now)
    notify(
        "registration_confirmation",
        key=f"registration_confirmation:{request.pk}:{request.version}",
        email=email,
        event_id=event.pk,
        facts={"confirmation": str(request.pk), "version": request.version},
    )
    return request


def find_confirmation(token: str) -> AddressConfirmation:
    """The request of a token. Its event may be deleted.

    Raises `InvalidOrExpiredLink`, also if the registration has another address by now: the token
    belongs to the mailbox that it was sent to.
    """
    requests = AddressConfirmation.objects.select_related("event", "registration")
    request = read_confirmation_token(token, lambda pk: requests.filter(pk=pk).first())
    if request is None:
        raise InvalidOrExpiredLink
    if request.registration is None:
        is_valid = timezone.now() < request.expires_at
    else:
        is_valid = request.registration.email == request.email
    if not is_valid:
        raise InvalidOrExpiredLink
    return request


def delete_old_confirmations() -> int:
    """Deletes requests that nobody confirmed, and confirmed ones a week later."""
    now = timezone.now()
    unconfirmed = AddressConfirmation.objects.filter(expires_at__lt=now, registration=None)
    confirmed = AddressConfirmation.objects.filter(expires_at__lt=now - timedelta(days=7))
    return int(unconfirmed.delete()[0] + confirmed.delete()[0])


def _store(event: Event, email: str, details: dict[str, Any], now: datetime) -> AddressConfirmation:
    expires_at = now + LIFETIME
    AddressConfirmation.objects.get_or_create(
        event=event, email=email, defaults={"expires_at": expires_at}
    )
    request = AddressConfirmation.objects.select_for_update().get(event=event, email=email)
    request.version += 1
    request.details, request.expires_at, request.registration = details, expires_at, None
    request.save()
    return request

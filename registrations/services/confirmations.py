"""Requests of guests that take effect when they confirm their address.

A request has the same response and the same work whether or not the address is registered, so
nobody learns that from it. The e-mail to the address says so.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.errors import InvalidOrExpiredLink
from accounts.models import User
from accounts.notifications import notify
from config.errors import NotFound
from events.models import Event, RegistrationMode

from ..forms.answers import Strictness
from ..models import AddressConfirmation
from ..tickets import read_confirmation_token
from .answering import Answered
from .checks import check_event, check_party
from .codes import check_code
from .requests import RegistrationRequest

LIFETIME = timedelta(hours=24)


@transaction.atomic
def request_confirmation(request: RegistrationRequest, *, code: str = "") -> AddressConfirmation:
    """Stores the request and sends its e-mail. Earlier tokens for the address become invalid.

    Raises the errors of `check_event`, of the code, `FormChanged` and `PartyTooLarge`. Options and
    seats are first checked when the address is confirmed.
    """
    now, request = timezone.now(), replace(request, skips_mode=True)
    events = Event.objects.existing().defer("search_vector")
    event = events.filter(pk=request.event_id).first()
    if event is None:
        raise NotFound
    answered = check_event(event, request, now)
    if event.registration_mode == RegistrationMode.CODE:
        check_code(event, code, request.email, now)
    # Only the e-mail says whether the address is registered.
    check_party(event, request, answered, is_registered=False)
    stored = _store(event, request, answered, code, now)
    notify(
        "registration_confirmation",
        key=f"registration_confirmation:{stored.pk}:{stored.version}",
        email=stored.email,
        event_id=event.pk,
        facts={"confirmation": str(stored.pk), "version": stored.version},
    )
    return stored


def read_confirmation(stored: AddressConfirmation) -> tuple[RegistrationRequest, str]:
    """The request that is confirmed, and its code. It asks no further questions."""
    details = dict(stored.details)
    code, caller_id = details.pop("code"), details.pop("requested_by", None)
    caller = User.objects.filter(pk=caller_id, is_active=True).first()
    request = RegistrationRequest(
        stored.event_id,
        email=stored.email,
        user=caller if caller is not None and caller.email == stored.email else None,
        registered_by=caller,
        strictness=Strictness.ACCEPTED,
        is_opened=True,
        **details,
    )
    return request, code


def find_confirmation(token: str) -> AddressConfirmation:
    """The request of a token. Its event may be deleted.

    Raises `InvalidOrExpiredLink`, also if the registration has another address by now: the token
    belongs to the mailbox that it was sent to.
    """
    requests = AddressConfirmation.objects.select_related("event", "registration")
    stored = read_confirmation_token(token, lambda pk: requests.filter(pk=pk).first())
    if stored is None:
        raise InvalidOrExpiredLink
    if stored.registration is None:
        is_valid = timezone.now() < stored.expires_at
    else:
        is_valid = stored.registration.email == stored.email
    if not is_valid:
        raise InvalidOrExpiredLink
    return stored


def delete_old_confirmations() -> int:
    """Deletes requests that nobody confirmed, and confirmed ones a week later."""
    now = timezone.now()
    unconfirmed = AddressConfirmation.objects.filter(expires_at__lt=now, registration=None)
    confirmed = AddressConfirmation.objects.filter(expires_at__lt=now - timedelta(days=7))
    return int(unconfirmed.delete()[0] + confirmed.delete()[0])


def _store(
    event: Event, request: RegistrationRequest, answered: Answered, code: str, now: datetime
) -> AddressConfirmation:
    email, expires_at = request.email, now + LIFETIME
    AddressConfirmation.objects.get_or_create(
        event=event, email=email, defaults={"expires_at": expires_at}
    )
    stored = AddressConfirmation.objects.select_for_update().get(event=event, email=email)
    stored.version += 1
    stored.details = {
        "name": request.name,
        "source": request.source,
        "show_name": request.show_name,
        "party_size": request.party_size,
        "answers": answered.answers,
        "guests": answered.guests,
        "form_version": None,  # the form may change until the confirmation
        "code": code,
        "requested_by": request.registered_by and request.registered_by.pk,
    }
    stored.expires_at, stored.registration = expires_at, None
    stored.save()
    return stored

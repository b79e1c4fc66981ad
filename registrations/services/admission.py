"""Who gets in: what registering does by the mode of the event.

Lock order: event, confirmation, code, registration.
"""

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.errors import InvalidOrExpiredLink
from accounts.models import User
from config.errors import DomainError, NotFound
from events.models import Event, RegistrationMode, Right, has_right
from events.services import lock_event

from ..errors import AlreadyRegistered, RegistrationRejected
from ..models import AddressConfirmation, Registration
from .answering import Answered
from .checks import check_event, check_party
from .codes import check_code, take_use
from .confirmations import find_confirmation, read_confirmation, request_confirmation
from .eligibility import AdmissionNeeded, Status, is_registered
from .ledger import Kind, Reason, is_registration_staff, record_change
from .notifying import notify_holder
from .placing import read_state
from .registering import register_party
from .requests import RegistrationRequest
from .waitlist import add_to_counters


def register_caller(
    event_id: int, caller: User | None, *, email: str, code: str = "", **fields: Any
) -> Registration | AddressConfirmation:
    """Registers the caller; None is a guest. Another address than the caller's is that of a guest.

    `fields` are the others of `RegistrationRequest`. The caller manages the registration of such a
    guest. The mode of the event decides whether the registration is made at once, is pending, needs
    a code, or waits for a confirmation of its address. Organizers pass every mode. Raises as
    `register_by_mode` and `request_confirmation`, and `RegistrationRejected`.
    """
    user = caller if caller is not None and email == caller.email else None
    is_proven = user is not None and user.email_verified
    request = RegistrationRequest(event_id, email=email, user=user, registered_by=caller, **fields)
    if settings.GUEST_CONFIRMATION and not is_proven and not _organizes(caller, event_id):
        return request_confirmation(request, code=code)
    try:
        try:
            return register_party(request)
        except AdmissionNeeded as needed:
            mode = needed.mode
        if _organizes(caller, event_id):
            return register_party(replace(request, skips_mode=True))
        if mode == RegistrationMode.CONFIRM_ADDRESS and not is_proven:
            return request_confirmation(request, code=code)
        return register_by_mode(mode, request, code=code)
    except AlreadyRegistered:
        raise _refusal(event_id, user) from None


def register_by_mode(
    mode: RegistrationMode, request: RegistrationRequest, *, code: str = ""
) -> Registration:
    """Registers an address that needs no confirmation.

    Raises the errors of `check_may_register`, of `check_code`, and `CodeUsedUp`.
    """
    request = replace(request, skips_mode=True)
    if mode not in {RegistrationMode.APPROVAL, RegistrationMode.CODE}:
        return register_party(request)
    # Everything is checked before the lock, so that a refusal takes none, and again under it.
    event, registered = read_state(request.event_id, request.email)
    answered = _check(event, request, code, is_registered=registered)
    return _register_under_lock(request, code, answered)


@transaction.atomic
def confirm(token: str) -> Registration:
    """Registers the address of a request. The same registration again for the same token.

    The account that made the request, if any, manages the registration as in `register_caller`.
    Raises `InvalidOrExpiredLink` as `find_confirmation` and for a deleted event, and the errors of
    the registration, which leave the token valid. The party may be larger than the event allows by
    now.
    """
    stored = find_confirmation(token)
    try:
        event = lock_event(stored.event_id)
    except NotFound:
        raise InvalidOrExpiredLink from None
    requests = AddressConfirmation.objects.select_for_update()
    current = requests.filter(pk=stored.pk, version=stored.version).first()
    if current is None:
        raise InvalidOrExpiredLink
    if current.registration_id is None:
        mode = RegistrationMode(event.registration_mode)
        request, code = read_confirmation(current)
        current.registration = register_by_mode(mode, request, code=code)
        current.save(update_fields=["registration"])
    # It may have been handed on since the token was read.
    rows = Registration.objects.for_display().filter(email=current.email)
    registration = rows.filter(pk=current.registration_id).first()  # type: ignore[misc]  # set above
    if registration is None:
        raise InvalidOrExpiredLink
    return registration


def _check(
    event: Event,
    request: RegistrationRequest,
    code: str,
    *,
    is_registered: bool,
    answered: Answered | None = None,
) -> Answered:
    """The answers of a request, as by `check_event`, whose errors precede that of the code."""
    now = timezone.now()
    answered = check_event(event, request, now, answered)
    if event.registration_mode == RegistrationMode.CODE:
        check_code(event, code, request.email, now)
    check_party(event, request, answered, is_registered=is_registered)
    return answered


@transaction.atomic
def _register_under_lock(
    request: RegistrationRequest, code: str, answered: Answered
) -> Registration:
    """Registers by the mode, and reads the answers again if the form was edited meanwhile."""
    event = lock_event(request.event_id)
    is_current = event.form_id == answered.form_id
    answered = _check(
        event,
        request,
        code,
        is_registered=is_registered(event, request.email),
        answered=answered if is_current else None,
    )
    if event.registration_mode == RegistrationMode.APPROVAL:
        return _add_pending(request, event, answered)
    if event.registration_mode == RegistrationMode.CODE:
        return _register_with_code(request, event, code, answered)
    return register_party(replace(request, is_opened=True))


def _register_with_code(
    request: RegistrationRequest, event: Event, code: str, answered: Answered
) -> Registration:
    """Registers, and takes a use of the code. Caller holds the event lock."""
    answered.check_options(event)
    row = check_code(event, code, request.email, timezone.now())
    take_use(row)
    registration = register_party(replace(request, is_opened=True))
    Registration.objects.filter(pk=registration.pk).update(code=row)
    return registration


def _add_pending(request: RegistrationRequest, event: Event, answered: Answered) -> Registration:
    """A registration without a seat, whoever waits. Caller holds the event lock."""
    now = timezone.now()
    by, user = request.registered_by, request.user
    owner = user or User.objects.owner_of(request.email)
    is_owned_by_other = user is None and owner is not None
    registration = Registration.objects.create(
        event=event,
        email=request.email,
        user=owner,
        registered_by=None if is_owned_by_other else by,
        link_version=1 if is_owned_by_other else 0,
        status=Status.PENDING,
        registered_at=now,
        name=request.name,
        source=request.source,
        show_name=request.show_name,
        party_size=request.party_size,
        guests=answered.guests,
        answers=answered.answers,
    )
    reason = Reason.BY_ATTENDEE if by else Reason.BY_GUEST
    record_change(registration, Kind.PENDING, by=by, reason=reason, at=now)
    add_to_counters(event, pending_count=request.party_size)
    if request.notify:
        kind = "registration_pending"
        notify_holder(registration, kind, key=f"{kind}:{registration.pk}")
    registration.position = registration.people_ahead = None  # type: ignore[attr-defined]
    return registration


def _refusal(event_id: int, user: User | None) -> DomainError:
    """Why an address with a registration cannot register: its account learns of a rejection."""
    rejected = Registration.objects.filter(event=event_id, user=user, status=Status.REJECTED)
    if user is not None and rejected.exists():
        return RegistrationRejected()
    return AlreadyRegistered()


def _organizes(caller: User | None, event_id: int) -> bool:
    """Whether the caller registers people as an organizer of the event or as staff."""
    if caller is None:
        return False
    if is_registration_staff(caller):
        return True
    event = Event.objects.existing().defer("search_vector").filter(pk=event_id).first()
    return event is not None and has_right(caller, Right.PEOPLE, event)

"""Who gets in: what registering does by the mode of the event.

Lock order: event, code, registration.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils import timezone

from accounts.errors import InvalidOrExpiredLink
from accounts.models import User
from config.errors import DomainError
from events.models import Event, RegistrationMode, Right, has_right
from events.services import lock_event

from ..errors import AlreadyRegistered, RegistrationRejected
from ..forms.answers import Strictness
from ..models import AddressConfirmation, Registration
from .answering import read_details
from .codes import register_with_code
from .confirmations import find_confirmation, request_confirmation
from .eligibility import (
    AdmissionNeeded,
    Status,
    check_capacity_holds,
    check_is_open,
    check_is_unregistered,
    check_is_visible,
)
from .ledger import Kind, Reason, is_registration_staff, record_change
from .notifying import notify_holder
from .registering import register
from .waitlist import add_to_counters


def register_caller(
    event_id: int,
    caller: User | None,
    *,
    name: str,
    email: str,
    source: str = "",
    show_name: bool = False,
    party_size: int = 1,
    guests: Sequence[dict[str, Any]] = (),
    answers: Mapping[str, Any] | None = None,
    form_version: int | None = None,
    code: str = "",
    is_opened: bool = False,
) -> Registration | AddressConfirmation:
    """Registers the caller; None is a guest. Another address than the caller's is that of a guest.

    The caller manages the registration of such a guest. The mode of the event decides whether the
    registration is made at once, is pending, needs a code, or waits for a confirmation of its
    address. Organizers pass every mode. `is_opened` says that the caller has the key of an unlisted
    event. Raises as `register`, `register_with_code` and
    `request_confirmation`, and `RegistrationRejected`.
    """
    user = caller if caller is not None and email == caller.email else None
    is_proven = user is not None and user.email_verified_at is not None
    details: dict[str, Any] = {
        "name": name,
        "source": source,
        "show_name": show_name,
        "party_size": party_size,
        "guests": list(guests),
        "answers": dict(answers or {}),
        "form_version": form_version,
    }
    people: dict[str, Any] = {"user": user, "registered_by": caller, "is_opened": is_opened}
    if settings.GUEST_CONFIRMATION and not is_proven and not _organizes(caller, event_id):
        return request_confirmation(
            event_id, email, details, code=code, by=caller, is_opened=is_opened
        )
    try:
        return register(event_id, email=email, **details, **people)
    except AdmissionNeeded as needed:
        mode = needed.mode
    except AlreadyRegistered:
        raise _refusal(event_id, user) from None
    if _organizes(caller, event_id):
        return register(event_id, email=email, **details, **people, skips_mode=True)
    if mode == RegistrationMode.CONFIRM_ADDRESS and not is_proven:
        return request_confirmation(event_id, email, details, by=caller, is_opened=is_opened)
    try:
        return register_by_mode(mode, event_id, email, details, code=code, **people)
    except AlreadyRegistered:
        raise _refusal(event_id, user) from None


def register_by_mode(
    mode: RegistrationMode,
    event_id: int,
    email: str,
    details: dict[str, Any],
    *,
    code: str = "",
    user: User | None = None,
    registered_by: User | None = None,
    is_opened: bool = False,
) -> Registration:
    """Registers an address that needs no confirmation. Raises as `register_caller`."""
    people: dict[str, Any] = {
        "user": user,
        "registered_by": registered_by,
        "is_opened": is_opened,
    }
    if mode == RegistrationMode.APPROVAL:
        return _register_pending(event_id, email, details, **people)
    if mode == RegistrationMode.CODE:
        return register_with_code(event_id, email, details, code=code, **people)
    return register(event_id, email=email, **details, **people, skips_mode=True)


@transaction.atomic
def confirm(token: str) -> Registration:
    """Registers the address of a request. The same registration again for the same token.

    The account that made the request, if any, manages the registration as in `register_caller`.
    Raises `InvalidOrExpiredLink` as `find_confirmation` and for a deleted event, and the errors of
    the registration, which leave the token valid. The party may be larger than the event allows by
    now.
    """
    request = find_confirmation(token)
    if request.event.deleted_at is not None:
        raise InvalidOrExpiredLink
    event = lock_event(request.event_id)
    current = AddressConfirmation.objects.select_for_update().get(pk=request.pk)
    if current.version != request.version:
        raise InvalidOrExpiredLink
    if current.registration_id is None:
        details = dict(current.details)
        code, mode = details.pop("code"), RegistrationMode(event.registration_mode)
        caller = User.objects.filter(pk=details.pop("requested_by", None), is_active=True).first()
        details["strictness"] = Strictness.ACCEPTED
        current.registration = register_by_mode(
            mode,
            event.pk,
            current.email,
            details,
            code=code,
            user=caller if caller is not None and caller.email == current.email else None,
            registered_by=caller,
            is_opened=True,
        )
        current.save(update_fields=["registration"])
    # It may have been handed on since the token was read.
    rows = Registration.objects.for_display().filter(email=current.email)
    registration = rows.filter(pk=current.registration_id).first()  # type: ignore[misc]  # set above
    if registration is None:
        raise InvalidOrExpiredLink
    return registration


@transaction.atomic
def _register_pending(
    event_id: int,
    email: str,
    details: dict[str, Any],
    *,
    user: User | None,
    registered_by: User | None,
    is_opened: bool,
) -> Registration:
    """A registration without a seat, whoever waits."""
    event = lock_event(event_id)
    now, party_size = timezone.now(), details["party_size"]
    check_is_visible(event, registered_by or AnonymousUser(), is_opened=is_opened)
    answered = read_details(event, details, now)
    check_is_open(event, now)
    check_is_unregistered(event, email)
    answered.check_version(event)
    check_capacity_holds(event, party_size)
    owner = user or User.objects.owner_of(email)
    is_owned_by_other = user is None and owner is not None
    registration = Registration.objects.create(
        event=event,
        email=email,
        user=owner,
        registered_by=None if is_owned_by_other else registered_by,
        link_version=1 if is_owned_by_other else 0,
        status=Status.PENDING,
        registered_at=now,
        name=details["name"],
        source=details["source"],
        show_name=details["show_name"],
        party_size=party_size,
        guests=answered.guests,
        answers=answered.answers,
    )
    reason = Reason.BY_ATTENDEE if registered_by else Reason.BY_GUEST
    record_change(registration, Kind.PENDING, by=registered_by, reason=reason, at=now)
    add_to_counters(event, pending_count=party_size)
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

"""Registers a person: takes a seat or a place in the queue by the statement in `placing`.

A full event matches no row and is refused without a write or a lock. If this process last saw the
event full, it first reads the event, which costs half as much as the statement, and runs the
statement only if there may be a seat.

A party that would fit while others wait takes the event's lock first. By the strict policy it gets
seats only if every waitlisted party is larger than the whole capacity. A party that answers
questions takes the lock first as well.

Lock order: event, registration.
"""

import json
import uuid
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.audit import key_id
from accounts.models import User
from config.api.request_ids import current_request_id
from config.errors import TemporarilyUnavailable
from events.models import Event
from events.services import lock_event

from ..models import LedgerEntry, Registration, new_ticket_code
from .answering import NO_ANSWERS, Answered
from .checks import check_access, check_may_register
from .contention import set_sold_out, was_sold_out
from .eligibility import Status, is_registered, placement
from .placing import event_of, place, read_state, registration_of
from .requests import RegistrationRequest

Reason = LedgerEntry.Reason

# A seat may become free, or the form of the event may change, between a check and what follows it.
# Then it begins again.
_ATTEMPTS = 3


def complete_contact(
    caller: User | None, *, name: str | None = None, email: str | None = None
) -> dict[str, str | None]:
    """The name and the address to register. An account may leave out its own; None is missing."""
    if caller is not None:
        email = email or caller.email
        if email == caller.email:
            name = name or caller.username
    return {"name": name, "email": email}


def register(event_id: int, **fields: Any) -> Registration:
    """`register_party` with the fields of its request."""
    return register_party(RegistrationRequest(event_id, **fields))


def register_party(request: RegistrationRequest) -> Registration:
    """Registers a person and their party at an event that is open to all, or that skips its mode.

    A guest's registration belongs to the account that has confirmed the address, if there is one.
    The caller may be a stranger then. So `registered_by` is not stored, and the token of version 0,
    which the response contains, is not valid.

    Returns the registration, `confirmed` or `waitlisted`, with `event`, `position` and
    `people_ahead` set. Raises the errors of `check_may_register`: `AdmissionNeeded` for an event
    that is not open to all, unless the request skips the mode.
    """
    if was_sold_out(request.event_id) and not request.was_accepted:
        _check_by_reading(request)
    for _ in range(_ATTEMPTS):
        if request.concerns_form:
            return _register_answered(request)
        parameters = _parameters_of(request)
        row = place(parameters)
        event = event_of(row)
        if not row["is_placed"]:
            check_access(event, request)
            request = replace(request, is_opened=True)
            if event.form_id is not None or request.was_accepted:
                return _register_answered(request)
            if event.waitlist_count and event.seats_party(request.party_size):
                row = _place_under_lock(request, parameters)
                event = event_of(row)
        set_sold_out(event.pk, not row["is_placed"] and not event.has_free_seat)
        if row["is_placed"]:
            return registration_of(parameters, row, event)
        check_may_register(
            event,
            request,
            parameters["now"],
            is_registered=row["is_registered"],
            answered=NO_ANSWERS,
        )
    raise TemporarilyUnavailable


@transaction.atomic
def _place_under_lock(request: RegistrationRequest, parameters: dict[str, Any]) -> dict[str, Any]:
    """The row of `place` for a party that fits while others wait.

    Raises the errors of `check_may_register`.
    """
    event = lock_event(request.event_id)
    registered = is_registered(event, request.email)
    check_may_register(
        event, request, parameters["now"], is_registered=registered, answered=NO_ANSWERS
    )
    return _place_by_rule(event, request, parameters)


def _register_answered(request: RegistrationRequest) -> Registration:
    """Registers for an event that asks questions. Raises the errors of `check_may_register`.

    Everything is checked before the lock, so that a refusal takes none, and again under it.
    """
    for _ in range(_ATTEMPTS):
        parameters = _parameters_of(request)
        event, registered = read_state(request.event_id, request.email)
        answered = check_may_register(
            event, request, parameters["now"], is_registered=registered, answered=None
        )
        parameters |= _columns_of(answered)
        row = _place_answered(request, parameters, answered)
        if row is not None:
            return registration_of(parameters, row, event_of(row))
    raise TemporarilyUnavailable


@transaction.atomic
def _place_answered(
    request: RegistrationRequest, parameters: dict[str, Any], answered: Answered
) -> dict[str, Any] | None:
    """Takes the options and the place. None if the event has other questions since the check.

    Raises the errors of `check_may_register`.
    """
    event = lock_event(request.event_id)
    if event.form_id != answered.form_id:
        return None
    registered = is_registered(event, request.email)
    check_may_register(
        event, request, parameters["now"], is_registered=registered, answered=answered
    )
    answered.take_options(event)
    row = _place_by_rule(event, request, parameters)
    if not row["is_placed"]:
        raise TemporarilyUnavailable
    return row


def _place_by_rule(
    event: Event, request: RegistrationRequest, parameters: dict[str, Any]
) -> dict[str, Any]:
    """The row of `place`. Caller holds the event lock, and has checked everything."""
    gets_seat = placement(event, request.party_size) == Status.CONFIRMED
    return place({**parameters, "gets_seat": gets_seat, "is_opened": True})


def _check_by_reading(request: RegistrationRequest) -> None:
    """Raises the refusal for the event's current state; returns if there may be a seat."""
    event, registered = read_state(request.event_id, request.email)
    check_access(event, request)
    if event.form_id is None:
        check_may_register(
            event, request, timezone.now(), is_registered=registered, answered=NO_ANSWERS
        )


def _parameters_of(request: RegistrationRequest) -> dict[str, Any]:
    """The parameters of `place`, with a new id and the current time."""
    by = request.registered_by
    return {
        "id": uuid.uuid4(),
        "event_id": request.event_id,
        "user_id": request.user and request.user.pk,
        "registered_by_id": by and by.pk,
        "actor_id": by and by.pk,
        "key_id": by and key_id(),
        "reason": Reason.BY_ATTENDEE.value if by else Reason.BY_GUEST.value,
        "name": request.name,
        "email": request.email,
        "source": request.source,
        "show_name": request.show_name,
        "ticket_code": new_ticket_code(),
        "now": timezone.now(),
        "notify": request.notify,
        "request_id": current_request_id(),
        "party_size": request.party_size,
        "guests": json.dumps(list(request.guests)) if request.guests else "[]",
        "answers": "{}",
        "form_id": None,
        "gets_seat": None,
        "is_opened": request.is_opened,
        "skips_mode": request.skips_mode,
    }


def _columns_of(answered: Answered) -> dict[str, Any]:
    return {
        "form_id": answered.form_id,
        "answers": json.dumps(answered.answers),
        "guests": json.dumps(answered.guests),
    }

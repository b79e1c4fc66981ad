"""Registers a person: takes a seat or a place in the queue by the statement in `placing`.

A full event matches no row and is refused without a write or a lock. If this process last saw the
event full, it first reads the event, which costs half as much as the statement, and runs the
statement only if there may be a seat.

A party that would fit while others wait takes the event's lock first. By the strict policy it gets
seats only if every waitlisted party is larger than the whole capacity. A party that answers
questions takes the lock first as well; see `answering`.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils import timezone

from accounts.audit import key_id
from accounts.models import User
from config.api.request_ids import current_request_id
from config.errors import TemporarilyUnavailable
from events.models import Event
from events.services import lock_event

from ..forms.answers import Strictness
from ..models import LedgerEntry, Registration, new_ticket_code
from .answering import Submission, register_answered
from .contention import set_sold_out, was_sold_out
from .eligibility import (
    Status,
    check_is_visible,
    check_may_register,
    check_mode,
    placement,
)
from .placing import event_of, place, read_state, registration_of

Reason = LedgerEntry.Reason

# A seat may become free between the refusal and the read. Then the statement runs again.
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


def register(
    event_id: int,
    *,
    name: str,
    email: str,
    user: User | None = None,
    registered_by: User | None = None,
    source: str = "",
    show_name: bool = False,
    notify: bool = True,
    party_size: int = 1,
    guests: Sequence[dict[str, Any]] = (),
    answers: Mapping[str, Any] | None = None,
    form_version: int | None = None,
    strictness: Strictness = Strictness.COMPLETE,
    is_opened: bool = False,
    skips_mode: bool = False,
) -> Registration:
    """Registers a person and their party.

    `user` is the account that the registration belongs to; None for a guest.

    `email` is canonical, as `config.api.text.email_addresses` and every form and field return it.
    `registered_by` is the account that makes the registration. `party_size` includes the
    registrant; `guests` are those who are named. `answers`, also of guests, are for the
    questions of the event, whose version the caller may state as `form_version`. `strictness`
    says what is checked of them. `is_opened` says that the caller has the key of
    an unlisted event; without it `registered_by` has to see the event. With `skips_mode` the
    registration mode of the event does not matter.

    A guest's registration belongs to the account that has confirmed the address, if there is one.
    The caller may be a stranger then. So `registered_by` is not stored, and the token of version 0,
    which the response contains, is not valid. Without `notify` there is no notification.

    Returns the registration, `confirmed` or `waitlisted`, with `event`, `position` and
    `people_ahead` set. Raises `NotFound` and the errors of `check_may_register`, and for an
    event that asks questions `ValidationFailed`, `FormChanged` and `OptionFull`. Raises
    `AdmissionNeeded` for an event that is not open to all.
    """
    viewer = registered_by or AnonymousUser()
    submission = Submission(answers or {}, guests, form_version, strictness, party_size)
    if was_sold_out(event_id) and not submission.was_accepted:
        _check_by_reading(event_id, email, party_size, viewer, is_opened=is_opened)
    for _ in range(_ATTEMPTS):
        parameters: dict[str, Any] = {
            "id": uuid.uuid4(),
            "event_id": event_id,
            "user_id": user and user.pk,
            "registered_by_id": registered_by and registered_by.pk,
            "actor_id": registered_by and registered_by.pk,
            "key_id": registered_by and key_id(),
            "reason": Reason.BY_ATTENDEE.value if registered_by else Reason.BY_GUEST.value,
            "name": name,
            "email": email,
            "source": source,
            "show_name": show_name,
            "ticket_code": new_ticket_code(),
            "now": timezone.now(),
            "notify": notify,
            "request_id": current_request_id(),
            "party_size": party_size,
            "guests": json.dumps(list(guests)) if guests else "[]",
            "answers": "{}",
            "form_id": None,
            "gets_seat": None,
            "is_opened": is_opened,
            "skips_mode": skips_mode,
        }
        if not submission.is_empty:
            return register_answered(parameters, submission, viewer)
        row = place(parameters)
        event = event_of(row)
        if not row["is_placed"]:
            check_is_visible(event, viewer, is_opened=is_opened)
            is_opened = parameters["is_opened"] = True
            check_mode(event, skips_mode, parameters["now"], party_size)
        if event.form_id is not None or (submission.was_accepted and not row["is_placed"]):
            return register_answered(parameters, submission, viewer)
        if not row["is_placed"] and event.waitlist_count and event.seats_party(party_size):
            row = _place_under_lock(parameters)
            event = event_of(row)
        set_sold_out(event_id, not row["is_placed"] and not event.has_free_seat)
        if row["is_placed"]:
            return registration_of(parameters, row, event)
        _explain_refusal(event, row["is_registered"], parameters["now"], party_size)
    raise TemporarilyUnavailable


@transaction.atomic
def _place_under_lock(parameters: dict[str, Any]) -> dict[str, Any]:
    """The row of `place` for a party that fits while others wait.

    Raises the errors of `register`.
    """
    event = lock_event(parameters["event_id"])
    is_registered = Registration.objects.of_address().filter(event=event, email=parameters["email"])
    party_size = parameters["party_size"]
    _explain_refusal(event, is_registered.exists(), parameters["now"], party_size)
    gets_seat = placement(event, party_size) == Status.CONFIRMED
    return place({**parameters, "gets_seat": gets_seat})


def _check_by_reading(
    event_id: int, email: str, party_size: int, viewer: User | AnonymousUser, *, is_opened: bool
) -> None:
    """Raises the refusal for the event's current state; returns if there may be a seat."""
    event, is_registered = read_state(event_id, email)
    check_is_visible(event, viewer, is_opened=is_opened)
    if event.form_id is None and not event.needs_admission:
        _explain_refusal(event, is_registered, timezone.now(), party_size)


def _explain_refusal(event: Event, is_registered: bool, now: datetime, party_size: int) -> None:
    """Raises why there was no place; returns if there is one by now."""
    check_may_register(event, is_registered=is_registered, now=now, party_size=party_size)

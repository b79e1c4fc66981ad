"""Edits a registration: corrects its name, or hands it on to another address.

Lock order: event, registration.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import audited
from accounts.models import User
from accounts.notifications import notify
from accounts.notifications.cooldown import notify_with_cooldown
from accounts.services.addresses import limit_mails
from config.errors import NotFound
from events.errors import EventCancelled, EventStarted
from events.models import Event
from events.services import lock_event

from ..errors import AlreadyRegistered
from ..models import Registration, new_ticket_code
from .eligibility import check_is_current, is_registered, raise_if_registered
from .ledger import Kind, Reason, record_change, role_of
from .locking import lock_registration
from .notifying import notify_holder
from .option_limits import exchange_options
from .parties import change_party

Status = Registration.Status

_KIND_BY_STATUS = {
    Status.CONFIRMED: "registration_confirmed",
    Status.WAITLISTED: "registration_waitlisted",
    Status.PENDING: "registration_pending",
}


@transaction.atomic
def edit_registration(
    registration: Registration,
    *,
    name: str | None = None,
    email: str | None = None,
    party_size: int | None = None,
    guests: Sequence[dict[str, Any]] | None = None,
    answers: Mapping[str, Any] | None = None,
    show_name: bool | None = None,
    by: User | None = None,
) -> bool:
    """Changes what is given; None leaves it as it is.

    Another address hands the registration on: the row and the seat stay, ticket and links are new,
    and both addresses are notified. Of the guests and answers only those that are given too stay,
    unless the organizer or staff correct the address. `by` is the acting account,
    None for a guest with a token. Returns whether the registration was handed on. Raises
    `EventCancelled`, `EventStarted`, `RegistrationCancelled`, `RegistrationRejected`,
    `AlreadyRegistered`, the errors of
    `change_party`, and `NotFound` if the registration got another holder since it was read.
    """
    event = None
    if email is not None and email != registration.email:
        event = lock_event(registration.event_id)
    if (party_size, guests, answers) != (None, None, None):
        change_party(registration, party_size=party_size, guests=guests, answers=answers, by=by)
    if name is not None and name != registration.name:
        _rename(registration, name)
    is_handed_on = event is not None and _hand_on(
        registration, event, str(email), by, own=(answers or {}, guests)
    )
    if show_name is not None and show_name != registration.show_name:
        _set_show_name(registration, show_name)
    return is_handed_on


def send_confirmation_again(registration: Registration) -> None:
    """Queues the confirmation e-mail of the current state, if none was queued within `COOLDOWN`.

    Raises `RegistrationCancelled`, `RegistrationRejected`, and `RateLimited` for many e-mails of
    one registration.
    """
    check_is_current(registration)
    limit_mails(f"registration {registration.pk}")
    notify_with_cooldown(
        _KIND_BY_STATUS[Status(registration.status)],
        email=registration.email,
        about=f"registration {registration.pk} {registration.link_version}",
        user=registration.user,
        event_id=registration.event_id,
        registration_id=registration.pk,
    )


@audited("renamed", unless=Registration.is_own_doing)
def _rename(registration: Registration, name: str) -> None:
    """Raises `NotFound` if the registration was handed on or erased since it was read."""
    row = lock_registration(registration)
    if row.email != registration.email:  # the person was erased
        raise NotFound
    row.name = registration.name = name
    row.save(update_fields=["name"])


@audited("name_shown_or_hidden", unless=Registration.is_own_doing)
def _set_show_name(registration: Registration, show_name: bool) -> None:
    """Raises `NotFound` if the registration was handed on or erased since it was read."""
    row = lock_registration(registration)
    if row.email != registration.email:
        raise NotFound
    row.show_name = registration.show_name = show_name
    row.save(update_fields=["show_name"])


def _hand_on(
    registration: Registration,
    event: Event,
    email: str,
    by: User | None,
    *,
    own: tuple[Mapping[str, Any], Sequence[dict[str, Any]] | None],
) -> bool:
    """Returns False if the registration already has the address. Caller holds the event lock.

    `own` are the answers and the guests that are given for the new holder.
    """
    row = lock_registration(registration)
    if email == row.email:
        return False
    now = timezone.now()
    _check_may_be_handed_on(event, row, email)
    limit_mails(f"registration {row.pk}")
    reason = role_of(by, row, event)
    former_email, former_user = row.email, row.user
    row.email = email
    row.user = User.objects.owner_of(email)
    row.registered_by = None  # the account that made it must not see the new holder's ticket
    row.show_name = False  # the new holder has not agreed
    row.ticket_code = new_ticket_code()
    row.link_version += 1
    if reason not in {Reason.BY_ORGANIZER, Reason.BY_STAFF}:
        _remove_former_answers(event, row, *own)
    changed = ["email", "user", "registered_by", "show_name", "ticket_code", "link_version"]
    changed += ["answers", "guests"]
    _save(row, changed)
    record_change(row, Kind.HANDED_ON, by=by, reason=reason, at=now)
    notify(
        "registration_handed_on",
        key=f"registration_handed_on:{row.pk}:{row.link_version}",
        email=former_email,
        user=former_user,
        event_id=row.event_id,
        registration_id=row.pk,
    )
    _send_confirmation(row)
    for name in changed:
        setattr(registration, name, getattr(row, name))
    return True


def _remove_former_answers(
    event: Event,
    row: Registration,
    answers: Mapping[str, Any],
    guests: Sequence[dict[str, Any]] | None,
) -> None:
    """Keeps only what is given for the new holder, who must not read what the former one wrote.

    Options with a limit are given back. Caller holds the event lock, and saves the row.
    """
    before = row.answers, row.guests
    row.answers = {key: answer for key, answer in row.answers.items() if key in answers}
    row.guests = [] if guests is None else row.guests
    exchange_options(event, row, before)


def _check_may_be_handed_on(event: Event, row: Registration, email: str) -> None:
    """Raises the first error that applies. Caller holds the event lock."""
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    if event.has_started():
        raise EventStarted("The event has started; its registrations keep their addresses.")
    check_is_current(row)
    if is_registered(event, email):
        raise AlreadyRegistered


def _save(row: Registration, fields: list[str]) -> None:
    try:
        with transaction.atomic():
            row.save(update_fields=fields)
    except IntegrityError as error:
        raise_if_registered(error)
        raise


def _send_confirmation(registration: Registration) -> None:
    kind = _KIND_BY_STATUS[Status(registration.status)]
    notify_holder(registration, kind, key=f"{kind}:{registration.pk}:{uuid4()}")

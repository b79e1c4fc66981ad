"""Who gets in: what registering does by the mode of the event, and the organizer's decisions.

Lock order: event, code, registration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import TextChoices
from django.utils import timezone

from accounts.errors import InvalidOrExpiredLink
from accounts.models import User
from config.errors import DomainError, NotFound
from events.models import Event, RegistrationMode, Right, has_right
from events.services import lock_event

from ..errors import AlreadyRegistered, NotPending, RegistrationRejected
from ..forms.answers import Strictness
from ..forms.questions import questions_of, taken_options
from ..models import AddressConfirmation, Registration
from .answering import read_details
from .codes import register_with_code
from .confirmations import find_confirmation, request_confirmation
from .eligibility import (
    AdmissionNeeded,
    Status,
    check_capacity_holds,
    check_is_ahead,
    check_is_open,
    check_is_unregistered,
    check_is_visible,
    check_party_size,
    event_full,
    may_pass_queue,
    placement,
)
from .ledger import Kind, Reason, is_registration_staff, record_change, role_of
from .locking import lock_registration
from .mail_limits import count_mails
from .notifying import notify_holder
from .option_limits import check_options_free, take_options
from .registering import register
from .waitlist import add_to_counters

_NOTIFICATIONS = {
    Status.CONFIRMED: "registration_confirmed",
    Status.WAITLISTED: "registration_waitlisted",
}


class Decision(TextChoices):
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The status of a registration after a decision, or the error that prevented it."""

    id: UUID
    status: str | None
    error: DomainError | None = None


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
def approve(registration: Registration, *, by: User) -> Registration:
    """Gives a pending registration a seat, or a place at the end of the waitlist.

    Works after registration has closed. A confirmed or waitlisted one stays as it is. Raises
    `NotPending`, `EventCancelled`, `EventNotPublished`, `EventStarted`, `PartyTooLarge`,
    `OptionFull`, `EventFull`; the registration then stays pending.
    """
    event = lock_event(registration.event_id)
    row = lock_registration(registration)
    if row.status in _NOTIFICATIONS:
        return row
    _check_is_pending(row)
    now = timezone.now()
    check_is_ahead(event, now)
    check_capacity_holds(event, row.party_size)
    questions = questions_of(event.form)
    chosen = taken_options(questions, row.answers, row.guests)
    check_options_free(event.pk, questions, chosen)
    status = placement(event, row.party_size, may_pass=may_pass_queue(event))
    if status is None:
        raise event_full(event)
    take_options(event.pk, questions, chosen)
    if status == Status.CONFIRMED:
        row.confirmed_at, kind = now, Kind.APPROVED
        add_to_counters(event, pending_count=-row.party_size, registered_count=row.party_size)
    else:
        kind = Kind.APPROVED_TO_QUEUE
        row.queue_number = event.last_queue_number + 1
        add_to_counters(
            event,
            pending_count=-row.party_size,
            waitlist_count=row.party_size,
            waitlist_guest_count=row.party_size - 1,
            last_queue_number=1,
        )
    _decide(row, status, kind, by=by, event=event, at=now, notification=_NOTIFICATIONS[status])
    return row


@transaction.atomic
def reject(registration: Registration, *, by: User, reason: str = "") -> Registration:
    """Rejects a pending registration, and notifies its holder of the reason.

    A rejected one stays as it is. Raises `NotPending`.
    """
    event = lock_event(registration.event_id)
    row = lock_registration(registration)
    if row.status == Status.REJECTED:
        return row
    _check_is_pending(row)
    add_to_counters(event, pending_count=-row.party_size)
    _decide(
        row,
        Status.REJECTED,
        Kind.REJECTED,
        by=by,
        event=event,
        at=timezone.now(),
        notification="registration_rejected",
        facts={"reason": reason},
    )
    return row


@transaction.atomic
def reopen(registration: Registration, *, by: User) -> Registration:
    """Takes a rejection back: the registration is pending again.

    A pending one stays as it is. Raises `NotPending` for any other.
    """
    event = lock_event(registration.event_id)
    row = lock_registration(registration)
    if row.status == Status.PENDING:
        return row
    if row.status != Status.REJECTED:
        raise NotPending
    add_to_counters(event, pending_count=row.party_size)
    _decide(row, Status.PENDING, Kind.REOPENED, by=by, event=event, at=timezone.now())
    return row


@transaction.atomic
def decide(
    event: Event, ids: Sequence[UUID], decision: Decision, *, by: User, reason: str = ""
) -> list[Outcome]:
    """Decides on many registrations in the order of registering; each holder is notified.

    One that cannot be decided on keeps its status and does not affect the others. Ids of other
    events come last, with `NotFound`.
    """
    event = lock_event(event.pk)
    rows = Registration.objects.filter(event=event, pk__in=ids).order_by("registered_at", "pk")
    outcomes = [_decide_one(row, decision, by, reason) for row in rows]
    found = {outcome.id for outcome in outcomes}
    missing = [pk for pk in dict.fromkeys(ids) if pk not in found]
    return outcomes + [Outcome(pk, None, NotFound()) for pk in missing]


@transaction.atomic
def confirm(token: str) -> Registration:
    """Registers the address of a request. The same registration again for the same token.

    Raises `InvalidOrExpiredLink` as `find_confirmation`, and the errors of the registration, which
    leave the token valid.
    """
    request = find_confirmation(token)
    event = lock_event(request.event_id)
    current = AddressConfirmation.objects.select_for_update().get(pk=request.pk)
    if current.version != request.version:
        raise InvalidOrExpiredLink
    if current.registration_id is None:
        details = dict(current.details)
        code, mode = details.pop("code"), RegistrationMode(event.registration_mode)
        details["strictness"] = Strictness.ACCEPTED
        current.registration = register_by_mode(
            mode, event.pk, current.email, details, code=code, is_opened=True
        )
        current.save(update_fields=["registration"])
    # It may have been handed on since the token was read.
    rows = Registration.objects.for_display().filter(email=current.email)
    registration = rows.filter(pk=current.registration_id).first()
    if registration is None:
        raise InvalidOrExpiredLink
    return registration


def _decide_one(row: Registration, decision: Decision, by: User, reason: str) -> Outcome:
    try:
        with transaction.atomic():
            if decision == Decision.APPROVE:
                decided = approve(row, by=by)
            else:
                decided = reject(row, by=by, reason=reason)
    except DomainError as error:
        return Outcome(row.pk, row.status, error)
    return Outcome(row.pk, decided.status)


def _check_is_pending(row: Registration) -> None:
    if row.status != Status.PENDING:
        raise NotPending


def _decide(
    row: Registration,
    status: Status,
    kind: Kind,
    *,
    by: User,
    event: Event,
    at: datetime,
    notification: str = "",
    facts: dict[str, Any] | None = None,
) -> None:
    row.status = status
    row.save(update_fields=["status", "confirmed_at", "queue_number"])
    record_change(row, kind, by=by, reason=role_of(by, row, event), at=at)
    if notification:
        notify_holder(row, notification, key=f"{notification}:{row.pk}:{uuid4()}", facts=facts)
        count_mails(1, may_refuse=False)


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
    check_party_size(event, party_size)
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

"""Scans of tickets at the door: check-ins, and the undoing of them.

Phones that were offline send their scans later, in any order and sometimes twice. The scans of a
registration in the order of their `at` decide whether it is checked in, so the result does not
depend on the order of their arrival: the earliest check-in after the last undo is in effect.
"""

from collections import defaultdict
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from config.errors import (
    DomainError,
    FieldError,
    IdempotencyKeyReused,
    NotFound,
    TemporarilyUnavailable,
    ValidationFailed,
)
from events.models import Event
from events.zones import instant_of_field

from ..errors import TicketNotValid
from ..models import DoorLink, LedgerEntry, Registration, Scan
from .ledger import new_entry, role_of
from .scan_history import admitted_by, check_in_before_scans, check_in_of, effective_time

MAX_AHEAD = timedelta(minutes=2)  # clocks of phones may be ahead
MAX_BEHIND = timedelta(days=1)  # those that are not set show 1970

_ATTEMPTS = 3
_ALL_ADMITTED = "all_admitted"
_REFUSALS: dict[str, str] = {
    Registration.Status.CANCELLED.value: "The registration was cancelled.",
    Registration.Status.WAITLISTED.value: "The holder is on the waitlist.",
    Registration.Status.PENDING.value: "The organizer has not decided on the registration yet.",
    Registration.Status.REJECTED.value: "The organizer has not accepted the registration.",
    _ALL_ADMITTED: "Fewer people of the party are left than the scan admits.",
}


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """`at` is None for a scan at this moment; without an offset it is in the event's zone.

    With `registration_id` a person is checked in by name, without a ticket.
    """

    ticket_code: str
    kind: Scan.Kind = Scan.Kind.CHECK_IN
    at: datetime | None = None
    nonce: str | None = None
    count: int | None = None
    registration_id: UUID | None = None


class ScanResult(NamedTuple):
    """The registration as it was after the scan."""

    registration: Registration
    already_checked_in: bool
    admitted_now: int
    admitted_count: int
    party_size: int


def check_in(
    event: Event,
    ticket_code: str,
    *,
    by: User,
    at: datetime | None = None,
    nonce: str | None = None,
    count: int | None = None,
) -> ScanResult:
    """Checks `count` people of a party in; None is everyone who is not admitted yet.

    Of several scans the earliest is the time of the check-in.

    A scan with the same `nonce` and ticket changes nothing and has the same result. Raises
    `NotFound`, `TicketNotValid`, `ValidationFailed` for an `at` in the future, and
    `IdempotencyKeyReused` for a nonce of another ticket.
    """
    return _scan_one(event, ScanRequest(ticket_code, Scan.Kind.CHECK_IN, at, nonce, count), by)


def undo_check_in(
    event: Event,
    ticket_code: str,
    *,
    by: User,
    at: datetime | None = None,
    nonce: str | None = None,
    count: int | None = None,
) -> Registration:
    """Undoes the check-ins of all people up to `at`, if there are any; `count` is ignored.

    Raises as `check_in`.
    """
    request = ScanRequest(ticket_code, Scan.Kind.UNDO, at, nonce)
    return _scan_one(event, request, by).registration


def scan_tickets(
    event: Event, requests: Sequence[ScanRequest], *, by: User, door_link: DoorLink | None = None
) -> list[ScanResult | DomainError]:
    """The result of each scan, or its refusal. Each sees those before it.

    `door_link` is the link that they were made with, if any; `by` is the account that made it.
    """
    for _ in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                batch = _locked_batch(event, requests, by, door_link)
                outcomes = [_outcome(batch, request) for request in requests]
                _save(batch)
                return outcomes
        except IntegrityError as error:
            if "one_scan_per_nonce" not in str(error):
                raise
            # Another transaction stored a nonce meanwhile. The next attempt finds it.
    raise TemporarilyUnavailable


def _scan_one(event: Event, request: ScanRequest, by: User) -> ScanResult:
    # Raised after the commit: a refusal is stored for repetitions with its nonce.
    [outcome] = scan_tickets(event, [request], by=by)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


# --- One batch ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Batch:
    """The registrations that are scanned, locked, and what has to be written."""

    event: Event
    by: User
    door_link: DoorLink | None
    now: datetime
    registrations: dict[str, Registration]  # by ticket code
    by_id: dict[UUID, Registration]
    histories: dict[object, list[Scan]]  # by registration, without refusals
    by_nonce: dict[str | None, Scan]
    scans: list[Scan] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    changed: dict[object, Registration] = field(default_factory=dict)


def _locked_batch(
    event: Event, requests: Sequence[ScanRequest], by: User, door_link: DoorLink | None
) -> _Batch:
    chosen = Q(ticket_code__in={_code(request) for request in requests})
    if ids := {request.registration_id for request in requests if request.registration_id}:
        chosen |= Q(pk__in=ids, event=event)
    rows = (
        Registration.objects.for_display()
        .existing()
        .select_for_update(of=("self",))
        .filter(chosen)
        .order_by("pk")
    )
    registrations = {row.ticket_code: row for row in rows}
    by_id = {row.pk: row for row in registrations.values()}
    histories: dict[object, list[Scan]] = defaultdict(list)
    pks = list(by_id)
    for scan in Scan.objects.filter(registration__in=pks, refusal="").order_by("at", "id"):
        histories[scan.registration_id].append(scan)
    nonces = {request.nonce for request in requests if request.nonce is not None}
    stored = Scan.objects.filter(event=event, nonce__in=nonces) if nonces else ()
    by_nonce = {scan.nonce: scan for scan in stored}
    return _Batch(event, by, door_link, timezone.now(), registrations, by_id, histories, by_nonce)


def _save(batch: _Batch) -> None:
    Scan.objects.bulk_create(batch.scans)
    if batch.changed:
        Registration.objects.bulk_update(
            batch.changed.values(),
            ["checked_in_at", "checked_in_by", "absent_count"],
            batch_size=200,
        )
    LedgerEntry.objects.bulk_create(batch.entries)


def _outcome(batch: _Batch, request: ScanRequest) -> ScanResult | DomainError:
    if request.registration_id is None:
        registration = batch.registrations.get(_code(request))
    else:
        registration = batch.by_id.get(request.registration_id)
    if request.nonce is not None and (earlier := batch.by_nonce.get(request.nonce)):
        return _repeated(earlier, registration, request)
    if registration is None:
        return NotFound(
            "No registration has this ticket code."
            if request.registration_id is None
            else "This person is not on the list of the event."
        )
    if registration.event_id != batch.event.pk:
        return TicketNotValid("The ticket is for another event.", reason="other_event")
    try:
        at = _instant_of(batch, request)
    except ValidationFailed as refusal:
        return refusal
    scan = Scan(
        event=batch.event,
        registration=registration,
        kind=request.kind,
        at=at or batch.now,
        received_at=batch.now,
        by=batch.by,
        door_link=batch.door_link,
        nonce=request.nonce,
        count=request.count,
        party_size=registration.party_size,
    )
    if registration.status != Registration.Status.CONFIRMED:
        scan.refusal = registration.status
    elif _admits_too_many(request, registration):
        scan.refusal = _ALL_ADMITTED
    if scan.refusal:
        if request.nonce is not None:
            _add(batch, scan)
        return _refusal(scan.refusal)
    return _applied(batch, scan, is_now=at is None)


def _admits_too_many(request: ScanRequest, registration: Registration) -> bool:
    left = registration.party_size - registration.admitted_count
    return request.kind == Scan.Kind.CHECK_IN and (request.count or 0) > left


def _applied(batch: _Batch, scan: Scan, *, is_now: bool) -> ScanResult:
    """The result of a valid scan, which is added to the batch."""
    registration = scan.registration
    history = batch.histories[registration.pk]
    if registration.checked_in_at is not None and not history:
        _add(batch, check_in_before_scans(scan, registration, registration.checked_in_at))
        history = batch.histories[registration.pk]
    if is_now:
        scan.at = effective_time(scan, history)
    elif scan.at < registration.registered_at - MAX_BEHIND:
        scan.at = registration.registered_at
    before = check_in_of(history)
    after = check_in_of([*history, scan])
    admitted_before = registration.admitted_count
    admitted = min(admitted_by([*history, scan]), registration.party_size)
    scan.was_checked_in = before is not None
    scan.admitted_now = max(admitted - admitted_before, 0)
    scan.checked_in_at = after.at if after else None
    scan.absent_count = registration.party_size - admitted if after else 0
    _add(batch, scan)
    if after is not before or admitted != admitted_before:
        registration.checked_in_at = after.at if after else None
        registration.checked_in_by_id = after.by_id if after else None
        registration.absent_count = scan.absent_count
        batch.changed[registration.pk] = registration
    if admitted != admitted_before:
        batch.entries.append(_entry(batch, scan, admitted - admitted_before))
    return _result(scan, registration)


def _entry(batch: _Batch, scan: Scan, change: int) -> LedgerEntry:
    """The ledger's entry for a change of the number of people who are admitted."""
    registration = scan.registration
    kind = LedgerEntry.Kind.CHECKED_IN if change > 0 else LedgerEntry.Kind.CHECK_IN_UNDONE
    role = role_of(batch.by, registration, batch.event)
    return new_entry(registration, kind, by=batch.by, reason=role, at=scan.at, people=abs(change))


def _add(batch: _Batch, scan: Scan) -> None:
    batch.scans.append(scan)
    if scan.nonce is not None:
        batch.by_nonce[scan.nonce] = scan
    if not scan.refusal:
        batch.histories[scan.registration_id].append(scan)


def _repeated(
    earlier: Scan, registration: Registration | None, request: ScanRequest
) -> ScanResult | DomainError:
    """The outcome of the scan that had the nonce first."""
    if registration is None or (earlier.registration_id, earlier.kind) != (
        registration.pk,
        request.kind,
    ):
        return IdempotencyKeyReused("The nonce is that of another scan. Use a new one for each.")
    return _refusal(earlier.refusal) if earlier.refusal else _result(earlier, registration)


def _refusal(reason: str) -> TicketNotValid:
    return TicketNotValid(_REFUSALS.get(reason, "The holder has no seat."), reason=reason)


def _result(scan: Scan, registration: Registration) -> ScanResult:
    as_of_scan = copy(registration)
    as_of_scan.checked_in_at = scan.checked_in_at
    as_of_scan.absent_count, as_of_scan.party_size = scan.absent_count, scan.party_size
    return ScanResult(
        as_of_scan,
        scan.was_checked_in,
        scan.admitted_now,
        as_of_scan.admitted_count,
        scan.party_size,
    )


def _instant_of(batch: _Batch, request: ScanRequest) -> datetime | None:
    """Raises `ValidationFailed`."""
    if request.at is None:
        return None
    at = instant_of_field("at", request.at, batch.event.zone)
    if at > batch.now + MAX_AHEAD:
        ahead = "The time is in the future. Set the clock of the phone, or leave the time out."
        raise ValidationFailed(FieldError("at", "max_value", ahead))
    return at


def _code(request: ScanRequest) -> str:
    return request.ticket_code.strip().upper()

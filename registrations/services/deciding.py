"""The organizer's decisions on pending registrations.

Lock order: event, registration.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, TextChoices
from django.utils import timezone

from accounts.models import User
from config.errors import DomainError, NotFound
from events.models import Event
from events.services import lock_event

from ..errors import NotPending
from ..forms.questions import Questions, questions_of, taken_options
from ..models import LedgerEntry, Registration
from .eligibility import (
    Status,
    check_fits_capacity,
    check_is_upcoming,
    event_full_error,
    placement,
)
from .ledger import Kind, Reason, new_entry, role_of
from .locking import lock_registration
from .mail_limits import count_mails
from .notifying import notify_holder
from .option_limits import check_options_free, take_options
from .waitlist import promote_waitlist

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


@transaction.atomic
def approve(registration: Registration, *, by: User) -> Registration:
    """Gives a pending registration a seat, or a place at the end of the waitlist.

    Works after registration has closed. Seats that became free since then first go to the
    waitlist, so approving a waitlisted one has an effect too. A confirmed one stays as it is.
    Raises `NotPending`, `EventCancelled`, `EventNotPublished`, `EventStarted`, `PartyTooLarge`,
    `OptionFull`, `EventFull`; the registration then stays pending.
    """
    decisions = _Decisions(lock_event(registration.event_id), by)
    row = lock_registration(registration)
    if decisions.fill_seats([row]):
        row = lock_registration(registration)
    decisions.approve(row)
    decisions.record()
    return row


@transaction.atomic
def reject(registration: Registration, *, by: User, reason: str = "") -> Registration:
    """Rejects a pending registration, and notifies its holder of the reason.

    A rejected one stays as it is. Raises `NotPending`.
    """
    decisions = _Decisions(lock_event(registration.event_id), by)
    row = lock_registration(registration)
    decisions.reject(row, reason)
    decisions.record()
    return row


@transaction.atomic
def reopen(registration: Registration, *, by: User) -> Registration:
    """Takes a rejection back: the registration is pending again.

    A pending one stays as it is. Raises `NotPending` for any other, and for an erased person.
    """
    decisions = _Decisions(lock_event(registration.event_id), by)
    row = lock_registration(registration)
    decisions.reopen(row)
    decisions.record()
    return row


@transaction.atomic
def decide(
    event: Event, ids: Sequence[UUID], decision: Decision, *, by: User, reason: str = ""
) -> list[Outcome]:
    """Decides on many registrations in the order of registering; each holder is notified.

    One that cannot be decided on keeps its status and does not affect the others. Ids of other
    events come last, with `NotFound`.
    """
    decisions = _Decisions(lock_event(event.pk), by)
    rows = Registration.objects.filter(event=event, pk__in=ids).order_by("registered_at", "pk")
    locked = rows.select_related("user").select_for_update(of=("self",))
    if decision == Decision.APPROVE and decisions.fill_seats(locked):
        locked = locked.all()  # some have seats now
    outcomes = [decisions.outcome(row, decision, reason) for row in locked]
    decisions.record()
    found = {outcome.id for outcome in outcomes}
    missing = [pk for pk in dict.fromkeys(ids) if pk not in found]
    return outcomes + [Outcome(pk, None, NotFound()) for pk in missing]


@dataclass
class _Decisions:
    """Decisions on registrations of one event, whose lock the caller holds.

    Each decision changes its registration, or raises before the first write. `record` writes what
    all of them have in common, once for all.
    """

    event: Event
    by: User
    now: datetime = field(default_factory=timezone.now)
    counters: Counter[str] = field(default_factory=Counter)
    entries: list[LedgerEntry] = field(default_factory=list)
    mails: int = 0

    @cached_property
    def questions(self) -> Questions:
        return questions_of(self.event.form)

    def fill_seats(self, rows: Iterable[Registration]) -> int:
        """Promotes the waitlist before any of `rows` is approved; returns how many it promoted.

        While registration is open this was done whenever a seat became free.
        """
        may_be_seated = {Status.PENDING, Status.WAITLISTED}
        if not any(row.status in may_be_seated for row in rows):
            return 0
        return promote_waitlist(self.event, reason=Reason.PLACE_FREED, even_closed=True)

    def outcome(self, row: Registration, decision: Decision, reason: str) -> Outcome:
        try:
            if decision == Decision.APPROVE:
                self.approve(row)
            else:
                self.reject(row, reason)
        except DomainError as error:
            return Outcome(row.pk, row.status, error)
        return Outcome(row.pk, row.status)

    def approve(self, row: Registration) -> None:
        event, size = self.event, row.party_size
        if row.status in _NOTIFICATIONS:
            return
        _check_is_pending(row)
        check_is_upcoming(event, self.now)
        check_fits_capacity(event, size)
        chosen = taken_options(self.questions, row.answers, row.guests)
        check_options_free(event.pk, self.questions, chosen)
        status = placement(event, size)
        if status is None:
            raise event_full_error(event)
        take_options(event.pk, self.questions, chosen)
        if status == Status.CONFIRMED:
            row.confirmed_at, kind = self.now, Kind.APPROVED
            self._count(pending_count=-size, registered_count=size)
        else:
            kind = Kind.APPROVED_TO_QUEUE
            row.queue_number = event.last_queue_number + 1
            self._count(
                pending_count=-size,
                waitlist_count=size,
                waitlist_guest_count=size - 1,
                last_queue_number=1,
            )
        self._save(row, status, kind)
        self._notify(row, _NOTIFICATIONS[status])

    def reject(self, row: Registration, reason: str) -> None:
        if row.status == Status.REJECTED:
            return
        _check_is_pending(row)
        self._count(pending_count=-row.party_size)
        self._save(row, Status.REJECTED, Kind.REJECTED)
        self._notify(row, "registration_rejected", {"reason": reason})

    def reopen(self, row: Registration) -> None:
        if row.status == Status.PENDING:
            return
        if row.status != Status.REJECTED or row.is_erased:
            raise NotPending
        self._count(pending_count=row.party_size)
        self._save(row, Status.PENDING, Kind.REOPENED)

    def record(self) -> None:
        """Writes the counters and the ledger. Call this last, once."""
        if self.entries:
            changes = {name: F(name) + change for name, change in self.counters.items()}
            Event.objects.filter(pk=self.event.pk).update(**changes)
            LedgerEntry.objects.bulk_create(self.entries)
        count_mails(self.mails, may_refuse=False)

    def _count(self, **changes: int) -> None:
        """Counts on `event`, by which the next registration is placed, and for `record`."""
        self.counters.update(changes)
        for name, change in changes.items():
            setattr(self.event, name, getattr(self.event, name) + change)

    def _save(self, row: Registration, status: Status, kind: Kind) -> None:
        row.status = status
        row.save(update_fields=["status", "confirmed_at", "queue_number"])
        reason = role_of(self.by, row, self.event)
        self.entries.append(new_entry(row, kind, by=self.by, reason=reason, at=self.now))

    def _notify(self, row: Registration, kind: str, facts: dict[str, str] | None = None) -> None:
        notify_holder(row, kind, key=f"{kind}:{row.pk}:{uuid4()}", facts=facts)
        self.mails += 1


def _check_is_pending(row: Registration) -> None:
    if row.status != Status.PENDING or row.is_erased:
        raise NotPending

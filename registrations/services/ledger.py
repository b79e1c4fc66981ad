"""Entries in the ledger for single registrations. Statements for many are in `inserts`."""

from datetime import datetime

from django.utils import timezone

from accounts.audit import key_id
from accounts.models import User
from config.api.staff_rights import has_staff_right
from events.models import Event, role_on

from ..models import LedgerEntry, Registration

Kind = LedgerEntry.Kind
Reason = LedgerEntry.Reason


def record_change(
    registration: Registration,
    kind: Kind,
    *,
    by: User | None,
    reason: Reason,
    at: datetime | None = None,
    people: int | None = None,
) -> None:
    """Adds an entry. `by` is the acting account, None for guests and for the system.

    `people` is the number of people that it is about, by default the whole party.
    """
    at = at or timezone.now()
    new_entry(registration, kind, by=by, reason=reason, at=at, people=people).save()


def new_entry(
    registration: Registration,
    kind: Kind,
    *,
    by: User | None,
    reason: Reason,
    at: datetime,
    people: int | None = None,
) -> LedgerEntry:
    """An unsaved entry."""
    return LedgerEntry(
        event_id=registration.event_id,
        registration=registration,
        kind=kind,
        at=at,
        actor=by,
        key_id=key_id() if by else None,
        reason=reason,
        people=registration.party_size if people is None else people,
    )


def role_of(user: User | None, registration: Registration, event: Event) -> Reason:
    """The role in which the user acts on a registration. None is a guest with a token."""
    if user is None:
        return Reason.BY_GUEST
    if user.pk in {registration.user_id, registration.registered_by_id}:
        return Reason.BY_ATTENDEE
    if role_on(user, event) is not None:
        return Reason.BY_ORGANIZER
    # Other users act with the guest's token.
    return Reason.BY_STAFF if is_registration_staff(user) else Reason.BY_GUEST


def is_registration_staff(user: User) -> bool:
    return has_staff_right(user, "registrations.change_registration")

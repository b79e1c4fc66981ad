"""Registrations of an account whose e-mail address changes.

Lock order: account, event, registration.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import Notification, User
from events.models import Event

from ..models import LedgerEntry, Registration

Status = Registration.Status


def move_registrations(user: User, *, former: str, was_confirmed: bool) -> None:
    """Give what an account registered with the address `former` the address that it has now.

    Links that were mailed end, since they are in the former mailbox; tickets stay, since the
    person is the same. Mails that are not yet sent go to the new address.

    Where the new address has a live registration at the event already, the row stays as it is: an
    address has one. If the account never confirmed `former`, the row leaves the account, and
    belongs to whoever confirms that address.

    Of a confirmed address only live registrations of events that are not over move: the others
    are a record of what was. Of one that was not confirmed all do. Caller holds the user's lock.
    """
    rows = Registration.objects.filter(user=user, email=former)
    if was_confirmed:
        rows = rows.filter(_is_ahead())
    _lock_events(rows.values("event_id"))
    taken = Registration.objects.live().filter(event=OuterRef("event"), email=user.email)
    may_move = ExpressionWrapper(
        Q(status=Status.CANCELLED) | ~Exists(taken), output_field=BooleanField()
    )
    locked = rows.annotate(may_move=may_move).select_for_update(of=("self",), no_key=True)
    found = list(locked.order_by("pk").values_list("pk", "event_id", "status", "may_move"))
    moving = [pk for pk, _, _, may_move in found if may_move]
    leaving = [pk for pk, _, _, may_move in found if not may_move and not was_confirmed]

    Registration.objects.filter(pk__in=moving).update(
        email=user.email, link_version=F("link_version") + 1
    )
    _undelivered(user, former, moving).update(email=user.email)
    Registration.objects.filter(pk__in=leaving).update(
        user=None, registered_by=None, link_version=F("link_version") + 1
    )
    _undelivered(user, former, leaving).update(user=None)
    changed = {*moving, *leaving}
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            event_id=event_id,
            registration_id=pk,
            kind=LedgerEntry.Kind.HANDED_ON,
            actor=user,
            reason=LedgerEntry.Reason.BY_ATTENDEE,
        )
        for pk, event_id, status, _ in found
        if pk in changed and status != Status.CANCELLED
    )


def at_another_address() -> Q:
    """Live registrations, of events that are not over, whose account has another address.

    Those of accounts without a mailbox are not among them: see `User.needs_address`.
    """
    return (
        _is_ahead()
        & Q(user__isnull=False, user__withdrawn_email="", user__erased_at=None)
        & ~Q(user__email=F("email"))
    )


def _is_ahead() -> Q:
    return Q(event__end_time__gt=timezone.now()) & ~Q(status=Status.CANCELLED)


def _lock_events(ids: QuerySet[Registration, Any]) -> None:
    """In the order of their ids. Nobody registers there until the transaction ends."""
    events = Event.objects.filter(pk__in=ids).order_by("pk")
    list(events.select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))


def _undelivered(
    user: User, address: str, registration_ids: Collection[UUID]
) -> QuerySet[Notification]:
    return Notification.objects.filter(
        user=user,
        email=address,
        registration_id__in=registration_ids,
        state=Notification.State.PENDING,
        claimed_by=None,
    )

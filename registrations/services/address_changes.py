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
    """Gives the registrations that an account made with the address `former` its present address.

    Mailed links become invalid, since they are in the former mailbox. Tickets stay valid, since the
    person is the same. E-mails that are not sent yet go to the new address.

    An address has one live registration per event. If the new address has one already, the row
    does not move. It leaves the account if the account never confirmed `former`; it then belongs to
    the account that confirms that address.

    If `former` was confirmed, only live registrations for events that are not over move, since
    the others are history. Otherwise all of them move. Caller holds the user's lock.
    """
    rows = Registration.objects.filter(user=user, email=former)
    if was_confirmed:
        rows = rows.filter(_is_ahead())
    _lock_events(rows.values("event_id"))
    taken = Registration.objects.of_address().filter(event=OuterRef("event"), email=user.email)
    may_move = ExpressionWrapper(
        Q(status=Status.CANCELLED) | ~Exists(taken), output_field=BooleanField()
    )
    locked = rows.annotate(may_move=may_move).select_for_update(of=("self",), no_key=True)
    registrations = list(locked.order_by("pk").values_list("pk", "event_id", "status", "may_move"))
    moving = [pk for pk, _, _, may_move in registrations if may_move]
    leaving = [pk for pk, _, _, may_move in registrations if not may_move and not was_confirmed]

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
        for pk, event_id, status, _ in registrations
        if pk in changed and status != Status.CANCELLED
    )


def at_another_address() -> Q:
    """Live registrations for events that are not over, whose account has another address.

    Accounts without a mailbox are excluded: see `User.needs_address`.
    """
    return (
        _is_ahead()
        & Q(user__isnull=False, user__withdrawn_email="", user__erased_at=None)
        & ~Q(user__email=F("email"))
    )


def _is_ahead() -> Q:
    return Q(event__end_time__gt=timezone.now()) & ~Q(status=Status.CANCELLED)


def _lock_events(ids: QuerySet[Registration, Any]) -> None:
    """Locks events in the order of their ids, which blocks registrations for them."""
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

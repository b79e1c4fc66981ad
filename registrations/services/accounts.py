"""What the confirmation and the end of an account change in its events and registrations."""

from django.contrib.auth.hashers import check_password
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils import timezone

from accounts.models import User
from accounts.notifications.inbox import delete_notifications_about
from accounts.services import erase_account, known_addresses, lock_account
from config.api.http.stored_responses import delete_responses_about
from config.api.sql.locking import locked_in_order
from config.api.text.instants import render_instant
from config.errors import FieldError, ValidationFailed
from events.models import Event
from events.services import end_memberships, end_series_of, unfinished_series_of

from ..errors import AccountHasUpcomingEvents
from ..models import (
    AddressConfirmation,
    Feedback,
    LedgerEntry,
    Registration,
    RegistrationQuerySet,
    Webhook,
)
from .address_changes import at_another_address, move_registrations
from .cancellation import cancel_registration
from .door_links import end_door_links

MAX_LISTED = 100  # events and series in a refusal


@transaction.atomic
def join_guest_registrations(user: User) -> int:
    """Gives an account the registrations that others made with its address; returns their number.

    Only for a confirmed address, since anybody can claim another one. `_claimable` has the
    conditions.
    """
    claimable = Registration.objects.filter(_claimable(), email=user.email)
    return _join(claimable.exclude(user=user), user)


@transaction.atomic
def close_account(user: User, *, password: str | None = None) -> None:
    """Closes an account: frees its seats and erases the person. Past attendance stays counted.

    `password` is checked unless it is None, which is for staff. The account is locked first, then
    the events. Publishing an event locks the account too. Raises `ValidationFailed`,
    `AccountHasUpcomingEvents`.
    """
    user = lock_account(user.pk)
    if password is not None and not check_password(password, user.password):
        raise ValidationFailed(
            FieldError("password", "wrong_password", "This is not your password.")
        )
    _check_nobody_relies_on(user)
    _forget_responses(user)
    _leave_registrations(user)
    _erase_comments(user)
    drafts = Event.objects.filter(organizer=user, status=Event.Status.DRAFT, deleted_at=None)
    locked_in_order(drafts).update(deleted_at=timezone.now())
    end_series_of(user)
    end_door_links(user)
    Webhook.objects.filter(user=user).end()
    end_memberships(user, set().union(*known_addresses(user)))
    erase_account(user)


def _check_nobody_relies_on(user: User) -> None:
    """Raises `AccountHasUpcomingEvents`. Caller holds the lock of the account."""
    events = Event.objects.published().upcoming().filter(organizer=user)
    series = unfinished_series_of(user)
    if not (number := events.count()) and not series.exists():
        return
    first = events.order_by("start_time", "pk").only("name", "start_time")[:MAX_LISTED]
    names = [
        {"id": event.pk, "name": event.name, "start_time": render_instant(event.start_time)}
        for event in first
    ]
    raise AccountHasUpcomingEvents(
        upcoming_events=number,
        events=names,
        series=list(series.order_by("pk").values("id", "name")[:MAX_LISTED]),
    )


def settle_accounts() -> None:
    """Repairs what concurrent requests may have left inconsistent. It may run at any time.

    A person may register while their account is closed or gets another address, or as a guest
    while their address is being confirmed. Neither request sees the other's writes.
    """
    for user in User.objects.filter(erased_at__isnull=False).filter(
        pk__in=Registration.objects.identified().values("user_id")
    ):
        with transaction.atomic():
            _forget_responses(user)
            _leave_registrations(user)
    _erase_comments(*User.objects.filter(erased_at__isnull=False, feedback__comment__gt=""))
    owner = User.objects.owners().filter(email=OuterRef("email"))
    with transaction.atomic():
        unjoined = Registration.objects.filter(_claimable(), Exists(owner))
        _join(unjoined, Subquery(owner.values("pk")))
    stray = Registration.objects.filter(at_another_address(), user__is_active=True)
    for user_id, address in stray.order_by().values_list("user_id", "email").distinct():
        with transaction.atomic():
            move_registrations(lock_account(user_id), former=address, was_confirmed=True)


def _forget_responses(user: User) -> None:
    """Deletes stored responses that name the person. Call it before any event is locked."""
    own = Registration.objects.filter(user=user).values_list("email", flat=True).distinct()
    confirmed, claimed = known_addresses(user)
    delete_responses_about(
        emails={*own, *confirmed, *claimed}, usernames=[user.username], user_id=user.pk
    )


def _claimable() -> Q:
    """Registrations that belong to the account that has confirmed their address.

    They are those of guests, and those of accounts with another address. Such an account never
    confirmed this address, or it left it and has another registration for the event.
    """
    return Q(user=None) | at_another_address()


def _join(registrations: RegistrationQuerySet, owner: User | Subquery) -> int:
    """Gives the registrations to their owner; returns their number.

    Earlier tokens become invalid, and an account that made the registrations loses access to them.
    Both may be a stranger's. Tickets stay valid, since people have them on paper.
    """
    return locked_in_order(registrations).update(
        user=owner, registered_by=None, link_version=F("link_version") + 1
    )


def _leave_registrations(user: User) -> None:
    """Frees the account's upcoming seats and erases the person on all of its registrations."""
    own = Registration.objects.filter(user=user)
    # Ordered by event, so that two accounts that are closed at once lock events in one order.
    for registration in (
        own.current().filter(event__start_time__gt=timezone.now()).order_by("event_id")
    ):
        cancel_registration(registration, by=user, reason=LedgerEntry.Reason.ACCOUNT_CLOSED)
    # Not by address: an unconfirmed one may belong to another person, who is registered too.
    delete_notifications_about(own.values_list("pk", flat=True))
    own.erase_people()
    AddressConfirmation.objects.filter(email__in=known_addresses(user)[0]).delete()


def _erase_comments(*users: User) -> None:
    """Erases comments, since they may identify their author. Ratings stay counted."""
    Feedback.objects.filter(author__in=users).exclude(comment="").update(comment="")

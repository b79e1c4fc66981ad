"""The end of an account, as far as its events and registrations go."""

from django.contrib.auth.hashers import check_password
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils import timezone

from accounts.models import User
from accounts.notifications.inbox import forget_mails_about
from accounts.services import erase_account, known_addresses, lock_account
from config.api.http.idempotency import forget_answers_about
from config.api.sql.locking import locked_in_order
from config.errors import FieldError, ValidationFailed
from events.models import Event
from events.services import end_series_of

from ..errors import AccountHasUpcomingEvents
from ..models import Feedback, LedgerEntry, Registration, RegistrationQuerySet
from .moving import at_another_address, move_registrations
from .waitlist import cancel_registration


@transaction.atomic
def join_guest_registrations(user: User) -> int:
    """Give an account the registrations that others made with its address; returns how many.

    Only for an address that its owner has confirmed: before, anybody could claim it. Whoever made
    them may be a stranger: see `_join`. They are those of guests, and those of accounts that have
    another address: see `_claimable`.
    """
    return _join(Registration.objects.filter(_claimable(), email=user.email), user)


@transaction.atomic
def close_account(user: User, *, password: str | None = None) -> None:
    """Delete an account: seats are freed, past attendance stays counted, the person is erased.

    `password` is checked unless it is None, which is for staff. Raises `ValidationFailed`,
    `AccountHasUpcomingEvents`. The account is locked first, then the events: whoever publishes one
    takes the same lock.
    """
    user = lock_account(user.pk)
    if password is not None and not check_password(password, user.password):
        raise ValidationFailed(
            FieldError("password", "wrong_password", "This is not your password.")
        )
    upcoming = Event.objects.published().upcoming().filter(organizer=user).count()
    if upcoming:
        raise AccountHasUpcomingEvents(upcoming_events=upcoming)

    _forget_answers(user)
    _leave_registrations(user)
    _forget_comments(user)
    drafts = Event.objects.filter(organizer=user, status=Event.Status.DRAFT, deleted_at=None)
    locked_in_order(drafts).update(deleted_at=timezone.now())
    end_series_of(user)
    erase_account(user)


def settle_accounts() -> None:
    """Put right what two requests at one moment may have left: safe to run at any time.

    Somebody may register while their account ends or gets another address, or as a guest while
    their address is being confirmed; neither request sees the other's work.
    """
    for user in User.objects.filter(erased_at__isnull=False).filter(
        pk__in=Registration.objects.identified().values("user_id")
    ):
        with transaction.atomic():
            _forget_answers(user)
            _leave_registrations(user)
    _forget_comments(*User.objects.filter(erased_at__isnull=False, feedback__comment__gt=""))
    owner = User.objects.filter(
        email=OuterRef("email"), email_verified_at__isnull=False, is_active=True
    )
    with transaction.atomic():
        unjoined = Registration.objects.filter(_claimable(), Exists(owner))
        _join(unjoined, Subquery(owner.values("pk")))
    stray = Registration.objects.filter(at_another_address(), user__is_active=True)
    for user_id, address in stray.order_by().values_list("user_id", "email").distinct():
        with transaction.atomic():
            move_registrations(lock_account(user_id), former=address, was_confirmed=True)


def _forget_answers(user: User) -> None:
    """Delete what is stored for replay and names the person. Before any event is locked."""
    own = Registration.objects.filter(user=user).values_list("email", flat=True).distinct()
    confirmed, claimed = known_addresses(user)
    forget_answers_about(
        emails={*own, *confirmed, *claimed}, usernames=[user.username], user_id=user.pk
    )


def _claimable() -> Q:
    """Registrations that the confirmed owner of their address gets.

    An account that has another address is no owner: it never confirmed this one, or it left it
    and has a registration of its own at the event.
    """
    return Q(user=None) | at_another_address()


def _join(guests: RegistrationQuerySet, owner: User | Subquery) -> int:
    """Give an account registrations of guests, out of the hands of whoever made them; how many.

    The tokens that were given out end, and the account that made them has nothing to do with them
    any more. Tickets stay: people have them on paper.
    """
    return locked_in_order(guests).update(
        user=owner, registered_by=None, link_version=F("link_version") + 1
    )


def _leave_registrations(user: User) -> None:
    """Free an account's upcoming seats and forget the person on all of its registrations."""
    own = Registration.objects.filter(user=user)
    # In the order of events, so that two accounts that end at once lock them alike.
    for registration in (
        own.live().filter(event__start_time__gt=timezone.now()).order_by("event_id")
    ):
        cancel_registration(registration, by=user, reason=LedgerEntry.Reason.ACCOUNT_CLOSED)
    # Not by address: one that nobody has confirmed may be somebody else's, who has a place too.
    forget_mails_about(own.values_list("pk", flat=True))
    own.erase_people()


def _forget_comments(*users: User) -> None:
    """What they wrote of events may tell who they are; how they rated them stays counted."""
    Feedback.objects.filter(author__in=users).exclude(comment="").update(comment="")

"""E-mail addresses: an account's is its owner's once they followed a link that was sent there."""

from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from config.api.http.rate_limits import check_limit
from config.errors import FieldError, PreconditionFailed, ValidationFailed

from ..audit import audited
from ..calendars import reset_calendar_link
from ..errors import InvalidCredentials, InvalidOrExpiredLink
from ..links import confirms, user_id_of
from ..lockout import guarded
from ..models import FormerAddress, User
from ..notifications import notify
from ..notifications.cooldown import end_cooldown, notify_with_cooldown
from ..notifications.opt_outs import copy_opt_outs
from ..notifications.outbox import send_deferred
from ..signals import address_left, email_confirmed
from ..tokens import end_all_sessions
from .rules import check_free, names_what_is_taken

_ADDRESS_FIELDS = [
    "email",
    "email_verified_at",
    "pending_email",
    "withdrawn_email",
    "address_version",
]
_WRONG_PASSWORD = FieldError("password", "wrong_password", "This is not the account's password.")
_NO_PASSWORD = FieldError(
    "password", "required", "Sign in to the account that takes this address, or send its password."
)


def change_address(user: User, email: str, *, by_staff: bool = False) -> None:
    """Move an account to another address. Caller holds the user's lock. Raises `ValidationFailed`.

    An account with a confirmed address keeps it until the new one is confirmed, so that neither a
    typing error nor a stolen session can take the account from its owner; naming the present
    address withdraws the change. The owner replaces an address that nobody has confirmed at once.
    A change by staff always needs the confirmation: a password reset goes to the present address,
    and so staff cannot take an account over by moving it to a mailbox of their own.
    """
    if email == (user.pending_email or user.email):
        return
    if email == user.email:
        user.pending_email = ""
        _save_address(user)
        return
    check_free(email=email, other_than=user)
    # Changes by staff do not use up the owner's own allowance. The present address is notified of
    # each, so they have one of their own.
    limit_mails(f"changes of user {user.pk} by staff" if by_staff else f"user {user.pk}")
    former, had_address = user.email, not user.needs_address
    was_pending = bool(user.pending_email)
    if user.email_verified or by_staff:
        user.pending_email = email
    else:
        user.email, user.email_verified_at, user.pending_email = email, None, ""
        user.withdrawn_email = ""
        copy_opt_outs(former, email)
    if user.email != former:
        address_left.send(User, user=user, former=former, was_confirmed=False)
    # Links to an address that nobody confirmed hold when the account returns there: see `links`.
    _save_address(user, is_over=was_pending and not user.pending_email)
    ask_for_confirmation(user)
    if had_address:
        notify_of_change(user, former=former)


def resend_confirmation(user: User) -> None:
    """Send the link once more, where an address waits for its confirmation.

    Requests are counted by the account alone, and a mail about another account is none about this
    one: what strangers ask for cannot keep its owner out.
    """
    if user.unconfirmed_email:
        limit_mails(f"user {user.pk}")
        notify_with_cooldown(
            "confirm_address", email=user.unconfirmed_email, about=f"user {user.pk}", user=user
        )


def user_to_confirm(token: str) -> User:
    """The account whose `unconfirmed_email` a token confirms. Raises `InvalidOrExpiredLink`."""
    user = User.objects.filter(pk=user_id_of(token), is_active=True).first()
    if user is None or not confirms(token, user):
        raise InvalidOrExpiredLink
    return user


def confirm_address(
    token: str,
    *,
    by: User | None = None,
    password: str | None = None,
    address: str = "",
    network: str = "",
) -> User:
    """Confirm the address that a token was sent to.

    The token proves who reads the address's mail, not whose account it is: anybody can sign up
    with, or change to, somebody else's address. `by`, who is signed in, or the account's `password`
    proves the latter. Without that proof a first confirmation ends every session of the account,
    and a pending change is not confirmed. For `address`, `network` see `lockout`.

    Raises `InvalidOrExpiredLink`, `ValidationFailed` for a wrong or missing password, and
    `RateLimited` after too many wrong ones. Not within a transaction: see `lockout.guarded`.
    """
    user = user_to_confirm(token)
    if password is not None:
        _check_password(user, password, address=address, network=network)
    is_owner = password is not None or (by is not None and by.pk == user.pk)
    return _confirm(token, is_owner=is_owner)


def _check_password(user: User, password: str, *, address: str, network: str) -> None:
    try:
        with guarded(user.email, address=address, network=network):
            if not user.check_password(password):
                raise InvalidCredentials
    except InvalidCredentials as error:
        raise ValidationFailed(_WRONG_PASSWORD) from error


@transaction.atomic
def _confirm(token: str, *, is_owner: bool) -> User:
    user = lock_to_confirm(token)
    if not user.pending_email:
        return confirm_email(user, by_owner=is_owner)
    if not is_owner:
        raise ValidationFailed(_NO_PASSWORD)
    former, version = user.email, user.address_version
    was_confirmed, had_address = user.email_verified, not user.needs_address
    try:
        check_free(email=user.pending_email, other_than=user)
        take_address(user, address=user.pending_email)
    except ValidationFailed as error:  # somebody signed up with it meanwhile
        raise InvalidOrExpiredLink from error
    copy_opt_outs(former, user.email)
    if was_confirmed:
        FormerAddress.objects.create(user=user, email=former, address_version=version)
    if had_address:
        notify_of_change(user, former=former)
    return user


def lock_to_confirm(token: str) -> User:
    """As `user_to_confirm`, with the account locked."""
    active = User.objects.filter(is_active=True)
    user = active.select_for_update(no_key=True).filter(pk=user_id_of(token)).first()
    if user is None or not confirms(token, user):
        raise InvalidOrExpiredLink
    return user


@transaction.atomic
@audited("address confirmed", unless=User.is_own_doing)
def confirm_email(user: User, *, address: str | None = None, by_owner: bool = False) -> User:
    """Confirm the account's address. Receivers of `email_confirmed` do the rest.

    The first confirmation ends every session and the link to the calendar, unless it is
    `by_owner`: a stranger may have opened the account, and would read the registrations that join.
    Raises `PreconditionFailed` if the account has another address than `address`, or none (see
    `User.needs_address`).
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if user.needs_address or (address is not None and user.email != address):
        raise PreconditionFailed
    if not user.email_verified:
        if not by_owner:
            reset_calendar_link(user)
            end_all_sessions(user)
        take_address(user)
    return user


def take_address(
    user: User, *, address: str | None = None, returning_to: str | None = None
) -> None:
    """Confirm the account's address: `address`, by default the present one.

    Caller holds the user's lock. `returning_to` is an earlier address that the account returns to.
    Those before that one stay recoverable: the thief of a thief's account is no owner.
    """
    former, was_confirmed = user.email, user.email_verified
    user.email = returning_to or address or former
    if returning_to is not None:
        left = user.former_addresses.filter(email=returning_to).order_by("left_at").first()
        if left is not None:
            user.former_addresses.filter(left_at__gte=left.left_at).delete()
    user.email_verified_at = timezone.now()
    user.pending_email = user.withdrawn_email = ""
    if user.email != former:
        address_left.send(User, user=user, former=former, was_confirmed=was_confirmed)
    email_confirmed.send(User, user=user)
    _save_address(user)
    if not was_confirmed:
        end_cooldown("password_reset", email=user.email)
    send_deferred(user.email)


def _save_address(user: User, *, is_over: bool = True) -> None:
    """Save what concerns the address. Caller holds the user's lock. Raises `ValidationFailed`.

    Called after the receivers of signals have locked events and registrations: another `email`
    locks the account's row against foreign keys. A session that holds an event and inserts a row
    about the account would block on it.

    `is_over`: a change is no longer pending, so links that were mailed for it end.
    """
    if is_over:
        user.address_version += 1
    with names_what_is_taken():
        user.save(update_fields=_ADDRESS_FIELDS)


def forget_former_addresses() -> int:
    """Delete those that can no longer be had back; returns how many."""
    gone = FormerAddress.objects.exclude(pk__in=FormerAddress.objects.recoverable())
    return gone.delete()[0]


def ask_for_confirmation(user: User) -> None:
    """Send the link to the address that waits for its confirmation."""
    address = user.unconfirmed_email or user.email
    notify("confirm_address", key=f"confirm_address:{uuid4()}", email=address, user=user)


def notify_of_change(user: User, *, former: str) -> None:
    """Tell the owner of an address that an account leaves it, and how to keep the account."""
    notify("address_changed", key=f"address_changed:{uuid4()}", email=former, user=user)


def limit_mails(requester: str) -> None:
    """Count a mail that is asked for by an account, or for a registration. Raises `RateLimited`.

    Mails are never counted by the address that they go to: strangers who name it would keep its
    owner out. The budget of its mailbox bounds what it gets; see `notifications.budget`.
    """
    check_limit("mails", requester, "You asked for many e-mails. Wait before the next one.")

"""E-mail addresses of accounts. The link that is mailed to an address confirms it."""

from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from config.api.http.rate_limits import check_limit
from config.errors import FieldError, PreconditionFailed, ValidationFailed

from ..audit import audited
from ..calendars import reset_calendar_link
from ..errors import InvalidCredentials, InvalidOrExpiredLink
from ..links import confirms, user_id_of
from ..lockout import throttled_sign_in
from ..models import FormerAddress, User
from ..notifications import notify
from ..notifications.cooldown import end_cooldown, notify_with_cooldown
from ..notifications.opt_outs import copy_opt_outs
from ..notifications.outbox import send_deferred
from ..signals import address_left, email_confirmed
from ..tokens import end_all_sessions
from .keys import end_keys
from .rules import check_free, lock_account, unique_violations_as_errors

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

    A confirmed address stays until the new one is confirmed. So neither a typing error nor a stolen
    session can take the account from its owner. Changing to the present address withdraws a pending
    change. An unconfirmed address is replaced at once, except by staff: password resets go to the
    present address, so staff cannot take an account over by moving it to a mailbox of their own.
    """
    if email == (user.pending_email or user.email):
        return
    if email == user.email:
        user.pending_email = ""
        _save_address(user)
        return
    check_free(email=email, other_than=user)
    # Changes by staff have a limit of their own, so they do not use up the owner's. Each of them
    # sends a mail to the present address.
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
    # Links to an unconfirmed address are valid again when the account returns to it: see `links`.
    _save_address(user, is_over=was_pending and not user.pending_email)
    request_confirmation(user)
    if had_address:
        notify_of_change(user, former=former)


def resend_confirmation(user: User) -> None:
    """Send the link again, if an address is to be confirmed.

    Requests are counted by account, and the cooldown is that of mails about this account. So the
    requests of strangers cannot suppress the mail.
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

    The token proves the ownership of the mailbox, not of the account: anyone can sign up with, or
    change to, another person's address. The latter is proved by the signed-in user `by`, or by the
    account's `password`. Without that proof a first confirmation ends every session of the account,
    and a pending change is not confirmed. See `lockout` for `address` and `network`.

    Raises `InvalidOrExpiredLink`, `ValidationFailed` for a wrong or missing password, and
    `RateLimited` after too many wrong ones. Must not be called within a transaction: see
    `lockout.throttled_sign_in`.
    """
    user = user_to_confirm(token)
    if password is not None:
        _check_password(user, password, address=address, network=network)
    is_owner = password is not None or (by is not None and by.pk == user.pk)
    return _confirm(token, is_owner=is_owner)


def _check_password(user: User, password: str, *, address: str, network: str) -> None:
    try:
        with throttled_sign_in(user.email, address=address, network=network):
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
    except ValidationFailed as error:  # another account has the address meanwhile
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

    The first confirmation ends sessions, API keys and the link to the calendar, unless it is
    `by_owner`: a stranger may have opened the account, and would read the registrations that join.
    Raises `PreconditionFailed` if the account has another address than `address`, or none (see
    `User.needs_address`).
    """
    user = lock_account(user.pk)
    if user.needs_address or (address is not None and user.email != address):
        raise PreconditionFailed
    if not user.email_verified:
        if not by_owner:
            reset_calendar_link(user)
            end_all_sessions(user)
            end_keys(user)
        take_address(user)
    return user


def take_address(
    user: User, *, address: str | None = None, returning_to: str | None = None
) -> None:
    """Confirm the account's address: `address`, by default the present one.

    Caller holds the user's lock. `returning_to` is a former address that the account returns to.
    Former addresses from before it stay recoverable, since the later ones may be those of thieves.
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
    with unique_violations_as_errors():
        user.save(update_fields=_ADDRESS_FIELDS)


def forget_former_addresses() -> int:
    """Delete former addresses that are no longer recoverable. Returns their number."""
    expired = FormerAddress.objects.exclude(pk__in=FormerAddress.objects.recoverable())
    return expired.delete()[0]


def request_confirmation(user: User) -> None:
    """Mail the link to the address that is to be confirmed."""
    address = user.unconfirmed_email or user.email
    notify("confirm_address", key=f"confirm_address:{uuid4()}", email=address, user=user)


def notify_of_change(user: User, *, former: str) -> None:
    """Notify a former address of the change, with the link that takes the account back."""
    notify("address_changed", key=f"address_changed:{uuid4()}", email=former, user=user)


def limit_mails(requester: str) -> None:
    """Count a requested mail by the account or registration `requester`. Raises `RateLimited`.

    Mails are not counted by recipient, since strangers could use up the limit of its owner. The
    budget of the mailbox limits the mails to it; see `notifications.budget`.
    """
    check_limit("mails", requester, "You asked for many e-mails. Wait before the next one.")

"""Passwords. Each change of a password ends every session."""

from uuid import uuid4

from django.db import transaction

from config.errors import FieldError, ValidationFailed

from ..audit import audited
from ..calendars import reset_calendar_link
from ..errors import InvalidOrExpiredLink
from ..links import recovers, resets, user_id_of
from ..lockout import clear_failures
from ..models import User
from ..notifications import notify
from ..notifications.cooldown import notify_with_cooldown
from ..tokens import end_all_sessions, record_device
from .addresses import confirm_email, lock_to_confirm, take_address
from .keys import end_keys
from .rules import check_password, lock_account


@transaction.atomic
def change_password(
    user: User, *, current_password: str, password: str, revoke_keys: bool = False
) -> None:
    """Set a new password and end every session. API keys stay valid without `revoke_keys`.

    Raises `ValidationFailed`.
    """
    user = lock_account(user.pk)
    if not user.check_password(current_password):
        raise ValidationFailed(
            FieldError("current_password", "wrong_password", "This is not your password.")
        )
    check_password(password, user)
    set_password(user, password, revoke_keys=revoke_keys)


@transaction.atomic
@audited("password set", always=True, unless=User.is_own_doing)
def set_password(user: User, password: str | None, *, revoke_keys: bool = True) -> User:
    """Set a checked password, or remove it with None. Ends every session and notifies the owner.

    API keys end as well, unless the owner has changed the password and keeps them: any other new
    password may follow a theft.
    """
    user = lock_account(user.pk)
    user.set_password(password)
    user.save(update_fields=["password"])
    end_all_sessions(user)
    if revoke_keys:
        end_keys(user)
    clear_failures(user)
    _notify_of_change(user)
    return user


def _notify_of_change(user: User) -> None:
    """Notify the owner, with a cooldown for unconfirmed addresses, which may be a stranger's."""
    if user.email_verified:
        notify("password_changed", key=f"password_changed:{uuid4()}", email=user.email, user=user)
    else:
        notify_with_cooldown("password_changed", email=user.email, user=user)


def request_password_reset(email: str) -> None:
    """Mail a reset link to the account of an address.

    The account is looked up when the mail is rendered. So the request does the same work for every
    address, and its time reveals nothing. Within the cooldown of a mail no other one is sent.
    """
    notify_with_cooldown("password_reset", email=email)


def user_to_reset(token: str) -> User:
    """The account whose password a token may set. Raises `InvalidOrExpiredLink`."""
    user = User.objects.filter(pk=user_id_of(token), is_active=True).first()
    if user is None or not (resets(token, user) or recovers(token, user)):
        raise InvalidOrExpiredLink
    return user


@transaction.atomic
def reset_password(token: str, password: str, *, user_agent: str = "", address: str = "") -> User:
    """Set a new password by a link, and end every session and every earlier link.

    The link proves the ownership of the mailbox. So the address is confirmed, and a pending change
    of it is withdrawn. The link of a mail about a changed address also restores that address. Wrong
    passwords of strangers no longer lock the owner out: the failures of the account are deleted,
    and `address` becomes one that has signed in (see `lockout`).
    Raises `InvalidOrExpiredLink`, `ValidationFailed`.
    """
    active = User.objects.filter(is_active=True)
    user = active.select_for_update(no_key=True).filter(pk=user_id_of(token)).first()
    if user is None:
        raise InvalidOrExpiredLink
    former = recovers(token, user)
    if former is None and not resets(token, user):
        raise InvalidOrExpiredLink
    check_password(password, user)
    # A thief, or a stranger who signed up with the address, may have copied the calendar's link.
    had_other_holder = former is not None or not user.email_verified
    take_address(user, returning_to=former)
    if had_other_holder:
        reset_calendar_link(user)
    user = set_password(user, password)
    record_device(user, user_agent=user_agent, address=address)
    return user


@transaction.atomic
def confirm_with_new_password(
    token: str, password: str, *, user_agent: str = "", address: str = ""
) -> User:
    """Confirm an account's first address by its link, and set a new password.

    For the owner of a mailbox that another person may have signed up with: the former password and
    every session end. Not for a pending change, since the owner of the new mailbox may not be the
    owner of the account.
    Raises `InvalidOrExpiredLink`, `ValidationFailed`.
    """
    user = lock_to_confirm(token)
    if user.pending_email:
        raise InvalidOrExpiredLink
    check_password(password, user)
    reset_calendar_link(user)
    confirm_email(user, by_owner=True)  # `set_password` ends the sessions
    user = set_password(user, password)
    record_device(user, user_agent=user_agent, address=address)
    return user

"""Passwords: each change of one ends every session."""

from uuid import uuid4

from django.db import transaction

from config.errors import FieldError, ValidationFailed

from ..audit import audited
from ..calendars import reset_calendar_link
from ..errors import InvalidOrExpiredLink
from ..links import recovers, resets, user_id_of
from ..lockout import forgive
from ..models import User
from ..notifications import notify
from ..notifications.cooldown import notify_with_cooldown
from ..tokens import end_all_sessions, record_device
from .addresses import confirm_email, lock_to_confirm, take_address
from .rules import check_password


@transaction.atomic
def change_password(user: User, *, current_password: str, password: str) -> None:
    """Set a new password and end every session. Raises `ValidationFailed`."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not user.check_password(current_password):
        raise ValidationFailed(
            FieldError("current_password", "wrong_password", "This is not your password.")
        )
    check_password(password, user)
    set_password(user, password)


@transaction.atomic
@audited("password set", always=True, unless=User.is_own_doing)
def set_password(user: User, password: str | None) -> User:
    """Set a password that was checked, or with None take it away, and end every session.

    The account's owner is told.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    user.set_password(password)
    user.save(update_fields=["password"])
    end_all_sessions(user)
    forgive(user)
    _notify_of_change(user)
    return user


def _notify_of_change(user: User) -> None:
    """Whoever signs up with somebody else's address does not fill that mailbox by changes."""
    if user.email_verified:
        notify("password_changed", key=f"password_changed:{uuid4()}", email=user.email, user=user)
    else:
        notify_with_cooldown("password_changed", email=user.email, user=user)


def request_password_reset(email: str) -> None:
    """Send a link to the account of that address.

    Whether there is one is looked up when the mail is written: the request does the same work
    either way, so its time tells nothing. A request while a mail is fresh sends no other one.
    """
    notify_with_cooldown("password_reset", email=email)


def user_to_reset(token: str) -> User:
    """The account whose password a token sets. Raises `InvalidOrExpiredLink`."""
    user = User.objects.filter(pk=user_id_of(token), is_active=True).first()
    if user is None or not (resets(token, user) or recovers(token, user)):
        raise InvalidOrExpiredLink
    return user


@transaction.atomic
def reset_password(token: str, password: str, *, user_agent: str = "", address: str = "") -> User:
    """Set a new password by a link, and end every session and every link sent before.

    Who holds the link reads the mails of the address: it is confirmed, a change of address that
    somebody asked for is off, and the link in the news of such a change brings the former address
    back. Wrong passwords that strangers try no longer keep its owner out: those for the account are
    forgotten, and those of `address` do not concern who has come from there before.
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
    # A thief, or who signed up with somebody else's address, may have copied the calendar's link.
    was_elses = former is not None or not user.email_verified
    take_address(user, returning_to=former)
    if was_elses:
        reset_calendar_link(user)
    user = set_password(user, password)
    record_device(user, user_agent=user_agent, address=address)
    return user


@transaction.atomic
def confirm_with_new_password(
    token: str, password: str, *, user_agent: str = "", address: str = ""
) -> User:
    """Confirm an account's first address by its link, and set a new password.

    For who reads the mail of an address that somebody else may have signed up with: the password
    that person knows ends, and so does every session. A pending change is not for this: who reads
    the mail of the new address is not proven to own the account.
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

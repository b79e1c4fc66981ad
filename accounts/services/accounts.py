"""Creates, edits and erases accounts."""

from contextlib import suppress
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.db import IntegrityError, transaction
from django.utils import timezone

from ..audit import actor_id, audited, erase_values, record
from ..errors import InvalidCredentials
from ..lockout import throttled_sign_in
from ..models import ApiKey, User
from ..notifications.inbox import delete_notifications, delete_notifications_to
from ..notifications.preferences import change_preferences
from ..tokens import end_all_sessions
from .addresses import change_address, request_confirmation
from .keys import end_keys
from .rules import check_free, check_password, lock_account, unique_violations_as_errors


@transaction.atomic
def sign_up(
    *, email: str, password: str, username: str = "", role: str = User.Role.ORGANIZER,
    timezone: str = "UTC",
) -> User:  # fmt: skip
    """Create an account, and mail the confirmation link of its address.

    Raises `ValidationFailed` for a taken name or address, or a weak password.
    """
    check_free(email=email, username=username)
    check_password(password, User(email=email, username=username))
    user = _create_user(email, password, username, role=role, timezone=timezone)
    request_confirmation(user)
    return user


def _create_user(email: str, password: str, username: str, **fields: str) -> User:
    if not username:
        # Two simultaneous sign-ups may get the same name. The second one gets another.
        with suppress(IntegrityError), transaction.atomic():
            return User.objects.create_user(email, password, **fields)
        check_free(email=email, username=None)
        username = User.objects.random_username(email.partition("@")[0])
    with unique_violations_as_errors():
        return User.objects.create_user(email, password, username=username, **fields)


def sign_in(*, login: str, password: str, address: str, network: str) -> User:
    """The account of an e-mail address or user name. See `lockout` for `address` and `network`.

    Raises `InvalidCredentials`, and `RateLimited` after too many of those.
    """
    with throttled_sign_in(login, address=address, network=network):
        user = authenticate(username=login, password=password)
        if not isinstance(user, User):
            raise InvalidCredentials
    update_last_login(None, user)  # type: ignore[arg-type]
    return user


@transaction.atomic
@audited("edited", unless=User.is_own_doing)
def edit_profile(user: User, changes: dict[str, Any], *, by_staff: bool = False) -> User:
    """Change e-mail address, username, role, timezone or preferences.

    See `change_address` for a new address. Preferences that are not in `changes` stay as they are.
    Raises `ValidationFailed`.
    """
    user = lock_account(user.pk)
    if "email" in changes:
        change_address(user, changes["email"], by_staff=by_staff)
    if "notification_preferences" in changes:
        change_preferences(user, changes["notification_preferences"], by_staff=by_staff)
    changed = {
        name: value
        for name, value in changes.items()
        if name not in {"email", "notification_preferences"} and getattr(user, name) != value
    }
    if changed:
        check_free(username=changed.get("username"), other_than=user)
        for name, value in changed.items():
            setattr(user, name, value)
        with unique_violations_as_errors():
            user.save(update_fields=list(changed))
    return user


@transaction.atomic
@audited("access changed", unless=User.is_own_doing)
def change_access(user: User, /, **changes: bool) -> User:
    """Set `is_active`, `is_staff` or `is_superuser`. Losing one of them ends every session."""
    user = lock_account(user.pk)
    changed = {name: value for name, value in changes.items() if getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    if changed:
        user.save(update_fields=list(changed))
    if not all(changed.values()):
        end_all_sessions(user)
    return user


@transaction.atomic
@audited("signed out everywhere", always=True, unless=User.is_own_doing)
def sign_out_everywhere(user: User) -> None:
    end_all_sessions(user)


def known_addresses(user: User) -> tuple[set[str], set[str]]:
    """The account's confirmed addresses, including recent former ones, and the unconfirmed one."""
    confirmed = set(user.former_addresses.values_list("email", flat=True))
    if user.email_verified:
        confirmed.add(user.email)
    unconfirmed = {user.unconfirmed_email} if user.unconfirmed_email else set[str]()
    return confirmed, unconfirmed


@transaction.atomic
def erase_account(user: User) -> None:
    """Erase the personal data of an account. The row stays, since other rows refer to it.

    Opt-outs stay as well: they belong to the mailbox, whose owner may have no account. The caller
    deletes the stored responses about the person, before it locks any event.
    """
    user = lock_account(user.pk)
    confirmed, unconfirmed = known_addresses(user)
    delete_notifications(user)
    delete_notifications_to(confirmed=confirmed, unconfirmed=unconfirmed)
    user.email = f"erased-{user.pk}@invalid"
    user.username = f"erased:{user.pk}"
    user.timezone = "UTC"
    user.pending_email = user.withdrawn_email = ""
    user.email_verified_at = user.last_login = None
    user.is_active = user.is_staff = user.is_superuser = False
    user.erased_at = timezone.now()
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()
    user.sessions.all().delete()
    user.former_addresses.all().delete()
    end_all_sessions(user)
    end_keys(user, erases=True)
    erase_values(ApiKey.objects.filter(user=user))
    erase_values(User.objects.filter(pk=user.pk))
    if not user.is_own_doing(actor_id()):
        record(user, "erased", after={})

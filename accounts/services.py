"""What changes an account."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.contrib.auth import authenticate, password_validation
from django.contrib.auth.models import update_last_login
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from config.errors import FieldError, ValidationFailed

from .errors import InvalidCredentials
from .lockout import forgive, guarded
from .models import User
from .signals import email_confirmed
from .tokens import end_all_sessions


@transaction.atomic
def sign_up(
    *, email: str, password: str, username: str = "", role: str = User.Role.ORGANIZER,
    timezone: str = "UTC",
) -> User:  # fmt: skip
    """Make an account. Raises `ValidationFailed` on a taken name or address, or a weak password."""
    _check_free(email=email, username=username)
    _check_password(password, User(email=email, username=username))
    fields = {"role": role, "timezone": timezone}
    if not username:
        # Of two people who would be given one name at the same moment, one gets another.
        with suppress(IntegrityError), transaction.atomic():
            return User.objects.create_user(email, password, **fields)
        _check_free(email=email, username=None)
        username = f"{email.partition('@')[0][:130]}-{secrets.token_hex(4)}"
    with _names_what_is_taken():
        return User.objects.create_user(email, password, username=username, **fields)


def sign_in(*, login: str, password: str, address: str, network: str) -> User:
    """The account of that e-mail address or user name; for `address`, `network` see `lockout`.

    Raises `InvalidCredentials`, and `RateLimited` after too many of those.
    """
    with guarded(login, address=address, network=network):
        user = authenticate(username=login, password=password)
        if not isinstance(user, User):
            raise InvalidCredentials
    update_last_login(None, user)  # type: ignore[arg-type]
    return user


@transaction.atomic
def edit_profile(user: User, changes: dict[str, Any]) -> User:
    """Apply changes of e-mail, username, role, timezone or preferences.

    A new address is unconfirmed until its owner confirms it; preferences that are not among the
    changes stay as they are. Raises `ValidationFailed`.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if "notification_preferences" in changes:
        preferences = user.notification_preferences | changes["notification_preferences"]
        changes = {**changes, "notification_preferences": preferences}
    changes = {name: value for name, value in changes.items() if getattr(user, name) != value}
    if not changes:
        return user
    _check_free(email=changes.get("email"), username=changes.get("username"), other_than=user)
    if "email" in changes:
        changes["email_verified_at"] = None
    for name, value in changes.items():
        setattr(user, name, value)
    with _names_what_is_taken():
        user.save(update_fields=list(changes))
    return user


@transaction.atomic
def confirm_email(user: User) -> User:
    """The address is the user's own; what was waiting for that proof follows by signal."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not user.email_verified:
        user.email_verified_at = timezone.now()
        user.save(update_fields=["email_verified_at"])
        email_confirmed.send(User, user=user)
    return user


@transaction.atomic
def change_password(user: User, *, current_password: str, password: str) -> None:
    """Set a new password and end every session. Raises `ValidationFailed`."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not user.check_password(current_password):
        raise ValidationFailed(
            FieldError("current_password", "wrong_password", "This is not your password.")
        )
    _check_password(password, user)
    set_password(user, password)


@transaction.atomic
def set_password(user: User, password: str | None) -> User:
    """Set a password that was checked, or with None take it away, and end every session."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    user.set_password(password)
    user.save(update_fields=["password"])
    end_all_sessions(user)
    forgive(user)
    return user


@transaction.atomic
def change_access(user: User, **changes: bool) -> User:
    """Set `is_active`, `is_staff` or `is_superuser`; whoever loses one is signed out everywhere."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    changed = {name: value for name, value in changes.items() if getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    if changed:
        user.save(update_fields=list(changed))
    if not all(changed.values()):
        end_all_sessions(user)
    return user


def reset_calendar_link(user: User) -> User:
    """End the secret link to the user's calendar; there is a new one."""
    User.objects.filter(pk=user.pk).update(calendar_generation=F("calendar_generation") + 1)
    user.refresh_from_db(fields=["calendar_generation"])
    return user


@transaction.atomic
def erase_account(user: User) -> None:
    """Erase what identifies a person; the row stays, so that what refers to it stays right."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    user.email = f"erased-{user.pk}@invalid"
    user.username = f"erased-{user.pk}"
    user.timezone = "UTC"
    user.email_verified_at = user.last_login = None
    user.notification_preferences = {}
    user.is_active = user.is_staff = user.is_superuser = False
    user.erased_at = timezone.now()
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()
    user.sessions.all().delete()
    end_all_sessions(user)


def _check_free(*, email: str | None, username: str | None, other_than: User | None = None) -> None:
    others = User.objects.exclude(pk=other_than.pk) if other_than else User.objects.all()
    taken = []
    if email and others.filter(email=email).exists():
        taken.append(_TAKEN["email"])
    if username and others.filter(username__iexact=username).exists():
        taken.append(_TAKEN["username"])
    if taken:
        raise ValidationFailed(*taken)


_TAKEN = {
    "email": FieldError("email", "unique", "An account has this address already."),
    "username": FieldError("username", "unique", "Somebody has this name already."),
}


@contextmanager
def _names_what_is_taken() -> Iterator[None]:
    """Of two sign-ups at the same moment the database lets one through; tell the other why."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        field = "username" if "username_unique" in str(error) else "email"
        raise ValidationFailed(_TAKEN[field]) from error


def _check_password(password: str, user: User) -> None:
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise ValidationFailed(
            *(FieldError("password", "password_too_weak", message) for message in error.messages)
        ) from error

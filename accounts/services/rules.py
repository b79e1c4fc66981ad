"""What every service of accounts needs: locks, unique names and addresses, no weak passwords."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from config.errors import FieldError, ValidationFailed

from ..models import FormerAddress, User

_TAKEN = {
    "email": FieldError("email", "unique", "An account has this address already."),
    "username": FieldError("username", "unique", "Somebody has this name already."),
}


def lock_account(user_id: int) -> User:
    """The current row of the account, locked. Accounts are locked before events.

    Services that end the account, or that publish its events, hold this lock.
    """
    return User.objects.select_for_update(no_key=True).get(pk=user_id)


def check_free(
    *, email: str | None = None, username: str | None = None, other_than: User | None = None
) -> None:
    """Raises `ValidationFailed` if another account has the address or the name.

    An address that an account left a few days ago is reserved for it: see `FormerAddress`.
    """
    others = User.objects.exclude(pk=other_than.pk) if other_than else User.objects.all()
    taken = []
    if email and (
        others.filter(email=email).exists()
        or FormerAddress.objects.recoverable().filter(email=email, user__in=others).exists()
    ):
        taken.append(_TAKEN["email"])
    if username and others.filter(username__iexact=username).exists():
        taken.append(_TAKEN["username"])
    if taken:
        raise ValidationFailed(*taken)


@contextmanager
def unique_violations_as_errors() -> Iterator[None]:
    """Turn a violated unique constraint, by simultaneous requests, into `ValidationFailed`."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        field = "username" if "username_unique" in str(error) else "email"
        raise ValidationFailed(_TAKEN[field]) from error


def check_password(password: str, user: User) -> None:
    """Raises `ValidationFailed` if the password is weak."""
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise ValidationFailed(
            *(FieldError("password", "password_too_weak", message) for message in error.messages)
        ) from error

"""Tokens of the links in e-mails: signed, expiring, single-use, stored nowhere.

A token is `<user id>.<expiry, Unix time>.<signature>`. The signature also covers the state that
the link changes (an address to confirm, a hashed password). The first use of a token, and any other
change of that state, therefore ends it. The state is not part of the token, so logs contain no
address. A token is made when its mail is rendered.

An account may return to a state: to an earlier address, or to the same pending one. The signed
state of an address therefore includes `User.address_version`, which only grows. It grows when a
change of address ends. A pending address that is replaced by another one and then pending again is
the exception: its first link is valid again, and still goes to the owner of that address.

The holder of an account whose address is unconfirmed may not be the owner of the mailbox. Links
mailed to such an address depend on the address alone and end once it is confirmed. Changes by the
holder of the account do not end the links of the mailbox's owner.
"""

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum

from django.conf import settings
from django.core.signing import Signer

from config.api.keys import is_signature

from .errors import InvalidOrExpiredLink
from .models import User

_FORM = re.compile(r"([1-9][0-9]{0,17})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


class Purpose(StrEnum):
    CONFIRM = "confirm"
    RESET = "reset"
    RECOVER = "recover"


def confirmation_link(user: User) -> str:
    """The page on which the owner of `user.unconfirmed_email` confirms it."""
    return _link("confirm-address", _token(Purpose.CONFIRM, user, *_to_confirm(user)))


def reset_link(user: User) -> str:
    """The page on which the owner of `user.email` sets a new password."""
    return _link("reset-password", _token(Purpose.RESET, user, *_to_reset(user)))


def recovery_link(user: User, address: str) -> str:
    """The page on which the owner of a former address of the account takes the account back.

    It works only if `recovers_from`.
    """
    version = next((version for email, version in _recoverable(user) if email == address), 0)
    return _link("reset-password", _token(Purpose.RECOVER, user, *_to_recover(address, version)))


def user_id_of(token: str) -> int:
    """The account's id in a token. Checks no signature. Raises `InvalidOrExpiredLink`."""
    match = _FORM.fullmatch(token)
    if match is None or int(match[2]) <= time.time():
        raise InvalidOrExpiredLink
    return int(match[1])


def confirms(token: str, user: User) -> bool:
    """Whether a token confirms `user.unconfirmed_email`."""
    return user.unconfirmed_email is not None and _holds(
        Purpose.CONFIRM, token, user, *_to_confirm(user)
    )


def resets(token: str, user: User) -> bool:
    return _holds(Purpose.RESET, token, user, *_to_reset(user))


def recovers(token: str, user: User) -> str | None:
    """The former address that a token returns the account to. None for other tokens."""
    return next(
        (
            address
            for address, version in _recoverable(user)
            if _holds(Purpose.RECOVER, token, user, *_to_recover(address, version))
        ),
        None,
    )


def recovers_from(user: User, address: str) -> bool:
    """Whether the owner of `address` may take the account back."""
    return any(email == address for email, _ in _recoverable(user))


def lifetime(purpose: Purpose) -> timedelta:
    return {
        Purpose.CONFIRM: settings.CONFIRMATION_LINK_LIFETIME,
        Purpose.RESET: settings.RESET_LINK_LIFETIME,
        Purpose.RECOVER: settings.FORMER_ADDRESS_LIFETIME,
    }[purpose]


def _to_confirm(user: User) -> tuple[str, ...]:
    return (user.email, user.unconfirmed_email or "", *_signed(user.address_version))


def _to_reset(user: User) -> tuple[str, ...]:
    if not user.email_verified:
        return (user.email, "unconfirmed", str(user.address_version))
    return (user.email, user.password, str(user.token_generation))


def _to_recover(address: str, version: int) -> tuple[str, ...]:
    return (address, *_signed(version))


def _signed(version: int) -> tuple[str, ...]:
    """Empty for 0, so that links of releases without versions stay valid."""
    return (str(version),) if version else ()


def _recoverable(user: User) -> Iterator[tuple[str, int]]:
    """Each address that the account can be taken back to, with its version. The latest is first.

    A confirmed change has the version that it had while it was pending. So the link that was mailed
    when the change began stays valid.
    """
    if user.pending_email:
        yield user.email, user.address_version
    former = user.former_addresses.recoverable().order_by("-left_at", "-pk")
    yield from former.values_list("email", "address_version")


def _link(page: str, token: str) -> str:
    return f"{settings.PUBLIC_URL}/{page}/?token={token}"


def _token(purpose: Purpose, user: User, *state: str) -> str:
    expires = int(time.time() + lifetime(purpose).total_seconds())
    return f"{user.pk}.{expires}.{_signature(purpose, user, str(expires), *state)}"


def _holds(purpose: Purpose, token: str, user: User, *state: str) -> bool:
    _, expires, signature = token.split(".")
    return is_signature(signature, lambda key: _signature(purpose, user, expires, *state, key=key))


def _signature(purpose: Purpose, user: User, *state: str, key: str | None = None) -> str:
    """The signature by `key`, by default the current key."""
    text = "\0".join((str(user.pk), *state))
    return Signer(key=key, salt=f"accounts.links.{purpose}").signature(text)

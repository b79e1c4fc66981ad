"""Delays sign-in attempts after wrong passwords. Each failure doubles the delay, up to a maximum.

Failures have three counts: of an account from one address, of an account from all addresses, and of
an address for all accounts. The first count stops guessing. It leaves sign-ins from the owner's
address alone. The other two stop guessing from many addresses or for many accounts. They do not
apply to an address that has signed in to the account, or reset its password, before. A reset also
deletes the failures of the account.

An account is counted by the login that was typed. So an account that does not exist is locked like
any other, and the response reveals nothing. Each failure expires after some time. The table is
unlogged and contains keyed digests, not addresses.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from config.api.http.rate_limits import REJECTIONS
from config.api.text.email_addresses import mailbox_of
from config.errors import RateLimited

from .errors import InvalidCredentials
from .models import Session, SignInFailures, User

LONGEST_WAIT_SECONDS = 15 * 60
ANY = b""

_RETENTION = timedelta(days=1)

_COUNT = """
    INSERT INTO accounts_signinfailures AS stored (account, address, level, at)
    VALUES (%(account)s, '', 1, %(now)s), ('', %(address)s, 1, %(now)s),
        (%(account)s, %(address)s, 1, %(now)s)
    ON CONFLICT (account, address) DO UPDATE SET
        at = EXCLUDED.at,
        level = 1 + greatest(0, stored.level - extract(epoch FROM EXCLUDED.at - stored.at)
            / CASE WHEN stored.account = '' THEN %(address_expiry)s ELSE %(expiry)s END)
"""
# Seconds after which one failure expires. For an account it is the maximum delay, so persistent
# guessing gets four attempts an hour.
_FAILURE_EXPIRES_AFTER = LONGEST_WAIT_SECONDS
_ADDRESS_FAILURE_EXPIRES_AFTER = 60


@dataclass(frozen=True)
class _Attempt:
    """Digests of the account and of the address of an attempt."""

    account: bytes
    address: bytes

    @classmethod
    def of(cls, login: str, network: str) -> "_Attempt":
        return cls(account_digest(login), _digest(network))


@contextmanager
def throttled_sign_in(login: str, *, address: str, network: str) -> Iterator[None]:
    """Wraps the check of a password for `login`, which raises `InvalidCredentials` on failure.

    `network` is the network of `address`, by which it is counted (see `throttling.client_network`).
    Raises `RateLimited`, with `Retry-After`, while attempts are delayed. Must not be used within a
    transaction, whose rollback would undo the count.
    """
    if settings.RATE_LIMITS["login"] is None:
        yield
        return
    attempt = _Attempt.of(login, network)
    has_failed = _check(attempt, login, address)
    try:
        yield
    except InvalidCredentials:
        _count(attempt)
        raise
    if has_failed:
        SignInFailures.objects.filter(account=attempt.account, address=attempt.address).delete()


def clear_failures(user: User) -> None:
    """Delete the failures of an account, whose owner has proved their identity by a link."""
    names = [account_digest(name) for name in (user.email, user.username, user.withdrawn_email)]
    SignInFailures.objects.filter(account__in=names).delete()


def delete_old_failures() -> int:
    """Delete failures that no longer count. Returns their number."""
    deleted, _ = SignInFailures.objects.filter(at__lt=timezone.now() - _RETENTION).delete()
    return deleted


def _check(attempt: _Attempt, login: str, address: str) -> bool:
    """Whether the account has recent failures from this address. Raises `RateLimited`."""
    now = timezone.now()
    has_failed, delay = False, 0.0
    for row in SignInFailures.objects.filter(
        Q(account=attempt.account, address__in=[attempt.address, ANY])
        | Q(account=ANY, address=attempt.address)
    ):
        of_both = ANY not in (bytes(row.account), bytes(row.address))
        has_failed = has_failed or of_both
        seconds = _seconds_left(row, now, settings.SIGN_IN_FAILURES * (1 if of_both else 10))
        if seconds > delay and (of_both or not _has_signed_in(login, address)):
            delay = seconds
    if delay > 0:
        REJECTIONS.labels("sign_in_failures").inc()
        raise RateLimited(
            "Too many wrong passwords. Wait for the seconds in Retry-After, or set a new password "
            "by POST /api/password/reset/, which ends the wait.",
            retry_after=ceil(delay),
        )
    return has_failed


def _seconds_left(row: SignInFailures, now: datetime, free: int) -> float:
    """The rest of the delay. From the last of `free` failures on it doubles: 1 s, 2 s, 4 s …"""
    excess = round(row.level) - free  # the level decreases continuously, failures are whole
    if excess < 0:
        return 0
    delay = min(LONGEST_WAIT_SECONDS, 2 ** min(excess, 30))
    return float(delay - (now - row.at).total_seconds())


def _has_signed_in(login: str, address: str) -> bool:
    return bool(address) and (
        Session.objects.alias(lowered=Lower("user__username"))
        .filter(Q(user__email=login) | Q(lowered=mailbox_of(login)), address=address)
        .exists()
    )


def _count(attempt: _Attempt) -> None:
    parameters: dict[str, Any] = {
        "account": attempt.account,
        "address": attempt.address,
        "now": timezone.now(),
        "expiry": _FAILURE_EXPIRES_AFTER,
        "address_expiry": _ADDRESS_FAILURE_EXPIRES_AFTER,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, parameters)


def account_digest(login: str, *, is_canonical: bool = False) -> bytes:
    """The digest of an account by any spelling of its mailbox, or by its user name."""
    return _digest(login if is_canonical else mailbox_of(login))


def _digest(text: str) -> bytes:
    return salted_hmac("sign-in", text, algorithm="sha256").digest()

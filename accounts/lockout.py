"""Wrong passwords make the next attempt wait: longer each time, never for ever.

Failures are counted thrice: of an account from one address, of the account from all, and of the
address for all accounts. The first is what stops guessing. It cannot keep the owner out, who is at
another address. The other two stop guessing from many addresses, or for many accounts; nobody is
kept out by them who has signed in to the account, or reset its password, from that address before.
A reset also forgets what failed for the account.

An account is what was typed, so one that does not exist is locked like any other and nothing is
told. Failures are forgiven one by one with time. What is stored are keyed digests, in an unlogged
table: no addresses.
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

_KEPT_FOR = timedelta(days=1)

_COUNT = """
    INSERT INTO accounts_signinfailures AS kept (account, address, level, at)
    VALUES (%(account)s, '', 1, %(now)s), ('', %(address)s, 1, %(now)s),
        (%(account)s, %(address)s, 1, %(now)s)
    ON CONFLICT (account, address) DO UPDATE SET
        at = EXCLUDED.at,
        level = 1 + greatest(0, kept.level - extract(epoch FROM EXCLUDED.at - kept.at)
            / CASE WHEN kept.account = '' THEN %(address_forgiven)s ELSE %(forgiven)s END)
"""
# Seconds after which one failure is forgiven. Of an account, as long as the longest wait: guessing
# that goes on for ever gets four attempts an hour.
_FORGIVEN_AFTER = LONGEST_WAIT_SECONDS
_ADDRESS_FORGIVEN_AFTER = 60


@dataclass(frozen=True)
class _Attempt:
    """Whose password is tried, and from where, as digests."""

    account: bytes
    address: bytes

    @classmethod
    def of(cls, login: str, network: str) -> "_Attempt":
        return cls(account_digest(login), _digest(network))


@contextmanager
def guarded(login: str, *, address: str, network: str) -> Iterator[None]:
    """Around the check of a password for `login`, which raises `InvalidCredentials` when it fails.

    `network` is what `address` counts as: `config.api.http.throttling.client_network`. Raises
    `RateLimited`, with `Retry-After`, while attempts have to wait. Not within a transaction, which
    the refusal would undo with the count.
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


def forgive(user: User) -> None:
    """Forget failures of this account: its owner has proved who they are another way."""
    names = [account_digest(name) for name in (user.email, user.username, user.withdrawn_email)]
    SignInFailures.objects.filter(account__in=names).delete()


def forget_old_failures() -> int:
    """Delete what no longer counts; returns how many."""
    deleted, _ = SignInFailures.objects.filter(at__lt=timezone.now() - _KEPT_FOR).delete()
    return deleted


def _check(attempt: _Attempt, login: str, address: str) -> bool:
    """Whether this account has failed from this address lately. Raises `RateLimited`."""
    now = timezone.now()
    has_failed, waits = False, [0.0]
    for kept in SignInFailures.objects.filter(
        Q(account=attempt.account, address__in=[attempt.address, ANY])
        | Q(account=ANY, address=attempt.address)
    ):
        of_both = ANY not in (bytes(kept.account), bytes(kept.address))
        has_failed = has_failed or of_both
        seconds = _seconds_left(kept, now, settings.SIGN_IN_FAILURES * (1 if of_both else 10))
        if seconds > 0 and (of_both or not _has_signed_in(login, address)):
            waits.append(seconds)
    if max(waits) > 0:
        REJECTIONS.labels("sign_in_failures").inc()
        raise RateLimited(
            "Too many wrong passwords. Wait for the seconds in Retry-After, or set a new password "
            "by POST /api/password/reset/, which ends the wait.",
            headers={"Retry-After": str(ceil(max(waits)))},
        )
    return has_failed


def _seconds_left(kept: SignInFailures, now: datetime, free: int) -> float:
    """From the last free failure on the wait doubles: 1 s, 2 s, 4 s …"""
    beyond = round(kept.level) - free  # what time forgave within a moment is no attempt more
    if beyond < 0:
        return 0
    wait = min(LONGEST_WAIT_SECONDS, 2 ** min(beyond, 30))
    return float(wait - (now - kept.at).total_seconds())


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
        "forgiven": _FORGIVEN_AFTER,
        "address_forgiven": _ADDRESS_FORGIVEN_AFTER,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, parameters)


def account_digest(login: str, *, is_canonical: bool = False) -> bytes:
    """What an account is counted under: any spelling of its mailbox, or its user name."""
    return _digest(login if is_canonical else mailbox_of(login))


def _digest(text: str) -> bytes:
    return salted_hmac("sign-in", text, algorithm="sha256").digest()

"""How many mails a mailbox gets before an account has confirmed its address.

Anybody can name a mailbox that is not theirs: at sign-up, in a registration, in an imported file.
So a mailbox that is not proven gets at most `RATE_LIMITS["mailbox"]` mails in any period of that
length, whatever their kinds and whoever caused them. The mailer asks when it is about to send, so
the requests that cause mails pay nothing.

The last mail of a budget is reserved for vital kinds (`Kind.is_vital`): a stranger who uses up the
rest does not keep a person from confirming an address or from learning that an event is off.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from ..models import FormerAddress, MailboxBudget, Notification, User
from .opt_outs import digest_of

# One statement, so that of two mailers that want the last mail of a budget one gets it.
_TAKE = """
    INSERT INTO accounts_mailboxbudget AS stored (mailbox, sent_at)
    VALUES (%(mailbox)s, ARRAY[%(now)s::timestamptz])
    ON CONFLICT (mailbox) DO UPDATE SET sent_at = ARRAY(
        SELECT moment FROM unnest(stored.sent_at) AS moment
        WHERE moment > %(since)s ORDER BY moment
    ) || %(now)s::timestamptz
    WHERE (
        SELECT count(*) FROM unnest(stored.sent_at) AS moment WHERE moment > %(since)s
    ) < %(allowed)s
    RETURNING sent_at
"""

_GIVE_BACK = """
    UPDATE accounts_mailboxbudget SET sent_at = trim_array(sent_at, 1)
    WHERE mailbox = %s AND cardinality(sent_at) > 0
"""

_FORGET = """
    DELETE FROM accounts_mailboxbudget
    WHERE NOT EXISTS (SELECT FROM unnest(sent_at) AS moment WHERE moment > %s)
"""


def proven_addresses(rows: Collection[Notification]) -> set[str]:
    """Those of the rows' addresses that an account has confirmed, or had until a few days ago."""
    own = {row.email for row in rows if row.user is not None and _is_own(row.email, row.user)}
    others = {row.email for row in rows} - own
    if not others:
        return own
    confirmed = User.objects.filter(
        email__in=others, email_verified_at__isnull=False, is_active=True
    )
    left = FormerAddress.objects.recoverable().filter(email__in=others)
    return own | set(
        confirmed.values_list("email", flat=True).union(left.values_list("email", flat=True))
    )


class Budgets:
    """The budgets of some mailboxes, read at once. Without a limit they never end."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._limit: tuple[int, int] | None = settings.RATE_LIMITS["mailbox"]
        self._digests = {address: digest_of(address) for address in addresses}
        stored: dict[str, list[datetime]] = {}
        if self._limit is not None and self._digests:
            rows = MailboxBudget.objects.filter(mailbox__in=self._digests.values())
            stored = dict(rows.values_list("mailbox", "sent_at"))
        self._sent = {address: stored.get(digest, []) for address, digest in self._digests.items()}

    def left(self, address: str, *, is_vital: bool) -> int | None:
        """How many mails the mailbox may get now; None without a limit, also if it is proven."""
        if self._limit is None or address not in self._digests:
            return None
        return max(0, self._allowed(is_vital) - len(self._recent(address)))

    def free_at(self, address: str, *, is_vital: bool) -> datetime:
        """When the mailbox may get the next mail; now, if it may get one."""
        now, recent = timezone.now(), self._recent(address)
        allowed = self._allowed(is_vital)
        if self._limit is None or len(recent) < allowed:
            return now
        return recent[len(recent) - allowed] + self._period

    def take(self, address: str, *, is_vital: bool) -> bool:
        """Count one mail that is about to be sent; False where the budget has none left."""
        if self._limit is None or address not in self._digests:
            return True
        now = timezone.now()
        parameters: dict[str, Any] = {
            "mailbox": self._digests[address],
            "now": now,
            "since": now - self._period,
            "allowed": self._allowed(is_vital),
        }
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, parameters)
            row = cursor.fetchone()
        if row is None:  # another mailer has sent the last one since this was read
            self._sent[address] = _sent_to(self._digests[address])
            return False
        self._sent[address] = row[0]
        return True

    def give_back(self, address: str) -> None:
        """The mail that was counted last was certainly not accepted."""
        if self._limit is None or address not in self._digests:
            return
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_BACK, [self._digests[address]])
        self._sent[address] = self._sent[address][:-1]

    @property
    def _period(self) -> timedelta:
        return timedelta(seconds=self._limit[1] if self._limit else 0)

    def _allowed(self, is_vital: bool) -> int:
        most = self._limit[0] if self._limit else 0
        return most if is_vital else max(1, most - 1)

    def _recent(self, address: str) -> list[datetime]:
        since = timezone.now() - self._period
        return sorted(moment for moment in self._sent.get(address, []) if moment > since)


def forget_old_budgets() -> int:
    """Delete those of mailboxes that got no mail within the period; returns how many."""
    limit = settings.RATE_LIMITS["mailbox"]
    period = timedelta(seconds=limit[1] if limit else 0)
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [timezone.now() - period])
        return int(cursor.rowcount)


def _is_own(address: str, user: User) -> bool:
    return user.email == address and user.email_verified and user.is_active


def _sent_to(digest: str) -> list[datetime]:
    row = MailboxBudget.objects.filter(pk=digest).values_list("sent_at", flat=True).first()
    return row or []

"""How many mails a mailbox gets that its owner did not ask for.

Anybody can name a mailbox that is not theirs: at sign-up, in a registration, in an imported file.
So a mailbox gets at most `RATE_LIMITS["mailbox"]` such mails in any period of that length, whatever
their kinds and whoever caused them. The mailer asks when it is about to send, so the requests that
cause mails pay nothing.

Every mail to a mailbox that is not proven is such a mail. Of those to a proven one it is what has
the fact `is_unsolicited`, such as the mails of a registration that somebody else made.

A budget has shares (`Share`). Each of them has one mail that no other share can use, and account
security uses two fifths of the budget at most: a stranger can cause mails of each share, but none
that keep the mails of another one back. The remaining mails go to whichever share needs them first.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.utils import timezone

from ..models import FormerAddress, MailboxBudget, Notification, User
from .kinds import Share
from .opt_outs import digest_of

# Of two mailers that read the same mails and add one, the second finds them changed.
_STORE = """
    INSERT INTO accounts_mailboxbudget AS stored (mailbox, sent_at, shares)
    VALUES (%(mailbox)s, %(sent_at)s::timestamptz[], %(shares)s::text[])
    ON CONFLICT (mailbox) DO UPDATE SET sent_at = EXCLUDED.sent_at, shares = EXCLUDED.shares
    WHERE stored.sent_at = %(expected)s::timestamptz[]
"""

_FORGET = """
    DELETE FROM accounts_mailboxbudget
    WHERE NOT EXISTS (SELECT FROM unnest(sent_at) AS moment WHERE moment > %s)
"""


class SentMail(NamedTuple):
    at: datetime
    share: str


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
        limit: tuple[int, int] | None = settings.RATE_LIMITS["mailbox"]
        self._limit, seconds = limit or (0, 0)
        self._period = timedelta(seconds=seconds)
        self._digests = {address: digest_of(address) for address in addresses} if limit else {}
        self._stored = _stored_mails(set(self._digests.values()))
        self._taken: dict[str, SentMail] = {}

    def left(self, address: str, share: Share) -> int | None:
        """How many mails of a share the mailbox may get now; None if its budget never ends."""
        if address not in self._digests:
            return None
        return self._left(share, self._recent(address))

    def free_at(self, address: str, share: Share) -> datetime:
        """When the mailbox may get the next mail of a share; now, if it may get one."""
        now = timezone.now()
        if address not in self._digests:
            return now
        recent = sorted(self._recent(address))
        expired = 0
        while not self._left(share, recent[expired:]):
            expired += 1
        return recent[expired - 1].at + self._period if expired else now

    def take(self, address: str, share: Share) -> bool:
        """Count one mail that is about to be sent; False where its share has none left."""
        if address not in self._digests:
            return True
        while True:
            recent = self._recent(address)
            if not self._left(share, recent):
                return False
            mail = SentMail(timezone.now(), share)
            if self._store(address, [*recent, mail]):
                self._taken[address] = mail
                return True

    def give_back(self, address: str) -> None:
        """The mail that was taken last of this budget, here, was certainly not accepted."""
        mail = self._taken.pop(address, None)
        while mail is not None:
            rest = list(self._stored.get(self._digests[address], []))
            if mail not in rest:
                return
            rest.remove(mail)
            if self._store(address, rest):
                return

    def _left(self, share: Share, sent: Sequence[SentMail]) -> int:
        """What of a share is left after these mails; with none sent it is at least one."""
        used = Counter(mail.share for mail in sent)
        left = self._limit - len(sent)
        if self._limit >= len(Share):
            left -= sum(not used[other] for other in Share if other is not share)
        if share is Share.SECURITY:
            left = min(left, max(1, self._limit * 2 // 5) - used[share])
        return max(0, left)

    def _recent(self, address: str) -> list[SentMail]:
        since = timezone.now() - self._period
        return [mail for mail in self._stored.get(self._digests[address], []) if mail.at > since]

    def _store(self, address: str, mails: list[SentMail]) -> bool:
        """False if another mailer has changed the budget since it was read; then it is read again.

        Each failure is another mailer's success, so repeating it comes to an end.
        """
        mailbox = self._digests[address]
        parameters: dict[str, Any] = {
            "mailbox": mailbox,
            "sent_at": [mail.at for mail in mails],
            "shares": [str(mail.share) for mail in mails],
            "expected": [mail.at for mail in self._stored.get(mailbox, [])],
        }
        with connection.cursor() as cursor:
            cursor.execute(_STORE, parameters)
            is_stored = bool(cursor.rowcount)
        self._stored[mailbox] = mails if is_stored else _stored_mails({mailbox}).get(mailbox, [])
        return is_stored


def forget_old_budgets() -> int:
    """Delete those of mailboxes that got no mail within the period; returns how many."""
    limit = settings.RATE_LIMITS["mailbox"]
    period = timedelta(seconds=limit[1] if limit else 0)
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [timezone.now() - period])
        return int(cursor.rowcount)


def _is_own(address: str, user: User) -> bool:
    return user.email == address and user.email_verified and user.is_active


def _stored_mails(mailboxes: Collection[str]) -> dict[str, list[SentMail]]:
    """By mailbox. A version without shares stores none, and its mails are of no special share."""
    if not mailboxes:
        return {}
    rows = MailboxBudget.objects.filter(mailbox__in=mailboxes)
    return {
        mailbox: [
            SentMail(at, share)
            for at, share in zip(sent_at, chain(shares, repeat(Share.OTHER)), strict=False)
        ]
        for mailbox, sent_at, shares in rows.values_list("mailbox", "sent_at", "shares")
    }

"""The budget of a mailbox: the number of mails that its owner did not ask for.

Anyone can enter another person's mailbox: at sign-up, in a registration, in an imported file. So a
mailbox gets at most `RATE_LIMITS["mailbox"]` such mails in any period of that length, of all kinds
and from all causes together. The mailer counts immediately before it sends, so the requests that
cause mails do no extra work.

Every mail to a mailbox that is not proven counts. Of the mails to a proven mailbox, those with the
fact `is_unsolicited` count, such as the mails of a registration that another person made.

A budget has shares (`Share`). Each share has one mail that no other share can use, and account
security uses two fifths of the budget at most. So a stranger who causes mails of one share cannot
suppress those of another share. The remaining mails go to the shares that need them first.
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

# Of two mailers that read the same mails and add one, the second matches no row.
_STORE = """
    INSERT INTO accounts_mailboxbudget AS stored (mailbox, sent_at, shares)
    VALUES (%(mailbox)s, %(sent_at)s::timestamptz[], %(shares)s::text[])
    ON CONFLICT (mailbox) DO UPDATE SET sent_at = EXCLUDED.sent_at, shares = EXCLUDED.shares
    WHERE stored.sent_at = %(expected)s::timestamptz[]
"""

_DELETE_OLD = """
    DELETE FROM accounts_mailboxbudget
    WHERE NOT EXISTS (SELECT FROM unnest(sent_at) AS moment WHERE moment > %s)
"""


class SentMail(NamedTuple):
    at: datetime
    share: str


def proven_addresses(rows: Collection[Notification]) -> set[str]:
    """The addresses that an active account has confirmed, or had until a few days ago."""
    own = {row.email for row in rows if row.user is not None and _is_own(row.email, row.user)}
    others = {row.email for row in rows} - own
    if not others:
        return own
    confirmed = User.objects.owners().filter(email__in=others)
    left = FormerAddress.objects.recoverable().filter(email__in=others)
    return own | set(
        confirmed.values_list("email", flat=True).union(left.values_list("email", flat=True))
    )


class Budgets:
    """The budgets of some mailboxes, read by one query. Without a limit they are infinite."""

    def __init__(self, addresses: Iterable[str]) -> None:
        limit: tuple[int, int] | None = settings.RATE_LIMITS["mailbox"]
        self._limit, seconds = limit or (0, 0)
        self._period = timedelta(seconds=seconds)
        self._digests = {address: digest_of(address) for address in addresses} if limit else {}
        self._stored = _stored_mails(set(self._digests.values()))
        self._taken: dict[str, SentMail] = {}

    def left(self, address: str, share: Share) -> int | None:
        """The number of mails of a share that the mailbox may get now. None without a limit."""
        if address not in self._digests:
            return None
        return self._left(share, self._recent(address))

    def free_at(self, address: str, share: Share) -> datetime:
        """The time at which the mailbox may get the next mail of a share. Now, if it may now."""
        now = timezone.now()
        if address not in self._digests:
            return now
        recent = sorted(self._recent(address))
        expired = 0
        while not self._left(share, recent[expired:]):
            expired += 1
        return recent[expired - 1].at + self._period if expired else now

    def take(self, address: str, share: Share) -> bool:
        """Count one mail that is about to be sent. False if its share is used up."""
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
        """Undo the latest `take` of this object, whose mail was certainly not accepted."""
        mail = self._taken.pop(address, None)
        while mail is not None:
            rest = list(self._stored.get(self._digests[address], []))
            if mail not in rest:
                return
            rest.remove(mail)
            if self._store(address, rest):
                return

    def _left(self, share: Share, sent: Sequence[SentMail]) -> int:
        """The part of a share that is left after these mails. At least one if none was sent."""
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
        """Store the mails. False if another mailer has changed the budget, which is read again.

        Each failure is the success of another mailer, so repeated calls succeed in the end.
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


def delete_old_budgets() -> int:
    """Delete the budgets of mailboxes without a mail within the period. Returns their number."""
    limit = settings.RATE_LIMITS["mailbox"]
    period = timedelta(seconds=limit[1] if limit else 0)
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_OLD, [timezone.now() - period])
        return int(cursor.rowcount)


def _is_own(address: str, user: User) -> bool:
    return user.email == address and user.email_verified and user.is_active


def _stored_mails(mailboxes: Collection[str]) -> dict[str, list[SentMail]]:
    """The counted mails by mailbox. Mails that a version without shares counted are of `OTHER`."""
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

"""Which of the due notifications go together, which go alone, and which have to be deferred.

What a mailbox's owner asked for goes as a mail each. For the rest there is a budget (see `budget`):
what is more than a share of it has left goes as one mail per kind, and what comes after the last
one is deferred until the budget allows another. What is neither account security nor cancelled
events is given up a day after it was due. So a stranger cannot fill a mailbox.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from config.api.http.rate_limits import seconds_to_wait

from ..models import Notification
from .budget import Budgets
from .kinds import Facts, Kind, Share
from .outbox import OVER_BUDGET

GIVEN_UP = "It was deferred for a day: the mailbox got too many e-mails that nobody asked for."
TOO_MANY_CAUSED = "Very many e-mails about events of this organizer were sent today."
REPEATED = "A later one says the same."

_LONGEST_DEFERRAL = timedelta(days=1)
# Vital kinds come first when the budget allows another mail.
_AFTER_VITAL = timedelta(seconds=1)


@dataclass(frozen=True)
class Parcel:
    """What is delivered at once: one row, or several of a kind to one mailbox.

    `by_mail`: whether it is mailed; if not, it is shown in the inbox at most. `is_guarded`: whether
    the mail is taken from the mailbox's budget, and shows no link of a stranger.
    """

    kind: Kind
    rows: Sequence[Notification]
    facts: Sequence[Facts]
    by_mail: bool
    is_guarded: bool

    @property
    def address(self) -> str:
        return self.rows[0].email


@dataclass(frozen=True)
class Deferral:
    """Rows that may not be mailed before `until`, and those that are given up."""

    until: datetime
    rows: Sequence[Notification]
    given_up: Sequence[Notification]


def seconds_until_allowed(parcel: Parcel) -> int:
    """Count a mail for the account that causes it. 0, or the seconds until another is allowed."""
    account = _counted_account(parcel.kind, parcel.facts[0])
    if account is None:
        return 0
    return seconds_to_wait("caused_mails", f"about events of user {account}")


def _counted_account(kind: Kind, facts: Facts) -> int | None:
    """The account that a mail is counted for, such as an organizer. Vital mails are not counted."""
    account: int | None = None if kind.is_vital else facts.get("caused_by")
    return account


def over_budget(
    rows: Iterable[Notification], known: Mapping[int, tuple[Kind, Facts]], budgets: Budgets
) -> Iterator[Deferral]:
    """The rows, all taken from budgets, whose mailbox has nothing left for their kind."""
    deferred: dict[tuple[str, Share], list[Notification]] = defaultdict(list)
    for row in rows:
        share = known[row.pk][0].share
        if budgets.left(row.email, share) == 0:
            deferred[row.email, share].append(row)
    for (address, share), of_share in deferred.items():
        yield deferral(of_share, share, budgets.free_at(address, share))


def deferral(rows: Sequence[Notification], share: Share, free_at: datetime) -> Deferral:
    """What becomes of rows whose share of a budget allows the next mail at `free_at`.

    Only a row that the budget deferred before is given up. An outage of a day loses no mail.
    """
    if share is not Share.OTHER:
        return Deferral(free_at, rows, [])
    oldest = timezone.now() - _LONGEST_DEFERRAL
    later: list[Notification] = []
    given_up: list[Notification] = []
    for row in rows:
        is_over = row.due_at <= oldest and row.error == OVER_BUDGET
        (given_up if is_over else later).append(row)
    return Deferral(free_at + _AFTER_VITAL, later, given_up)


def parcels_of(
    rows: Collection[Notification],
    known: Mapping[int, tuple[Kind, Facts]],
    *,
    mailed: Collection[int],
    guarded: Collection[int],
    budgets: Budgets,
) -> tuple[list[Parcel], list[Notification]]:
    """The parcels in the order of the rows, and the rows that a later one repeats.

    `known` has kind and facts by primary key, `mailed` the keys of rows that go by mail, and
    `guarded` those of `guarded_rows`.
    """
    by_share: dict[tuple[str, Share], list[Notification]] = defaultdict(list)
    for row in rows:
        if row.pk in guarded:
            by_share[row.email, known[row.pk][0].share].append(row)
    leaders: dict[int, list[Notification]] = {}
    repeated: list[Notification] = []
    for (address, share), of_share in by_share.items():
        left = budgets.left(address, share)
        if left is None or len(of_share) <= left:
            continue
        news, older = _without_repeated(of_share, known)
        repeated += older
        if len(news) > left:
            leaders |= {group[0].pk: group for group in _by_kind(news, known)}
    grouped = {row.pk for group in leaders.values() for row in group} | {row.pk for row in repeated}
    parcels = []
    for row in rows:
        group = leaders.get(row.pk) or ([] if row.pk in grouped else [row])
        if group:
            kind = known[row.pk][0]
            facts = [known[member.pk][1] for member in group]
            parcels.append(Parcel(kind, group, facts, row.pk in mailed, row.pk in guarded))
    return parcels, repeated


def _without_repeated(
    rows: list[Notification], known: Mapping[int, tuple[Kind, Facts]]
) -> tuple[list[Notification], list[Notification]]:
    """The rows to send, and those that a later one repeats.

    A mail of account security states the present. Of several about one account the last suffices.
    """
    last = {_account_of(row): row.pk for row in rows}
    news: list[Notification] = []
    repeated: list[Notification] = []
    for row in rows:
        is_repeated = known[row.pk][0].is_urgent and last[_account_of(row)] != row.pk
        (repeated if is_repeated else news).append(row)
    return news, repeated


def _account_of(row: Notification) -> tuple[str, int | None]:
    return row.kind, row.user_id


def _by_kind(
    rows: list[Notification], known: Mapping[int, tuple[Kind, Facts]]
) -> Iterator[list[Notification]]:
    """Groups of a kind, each counted for one account.

    Rows that failed before, and those of account security, are alone.
    """
    groups: dict[tuple[str, int | None, int | None], list[Notification]] = defaultdict(list)
    for row in rows:
        kind, facts = known[row.pk]
        alone = row.pk if kind.is_urgent or row.attempts else None
        groups[row.kind, _counted_account(kind, facts), alone].append(row)
    yield from groups.values()


def guarded_rows(
    mailed: Iterable[Notification],
    known: Mapping[int, tuple[Kind, Facts]],
    *,
    proven: Collection[str],
) -> list[Notification]:
    """Those of the mailed rows that the owner of the mailbox may not have asked for."""
    return [
        row
        for row in mailed
        if row.email not in proven or known[row.pk][1].get("is_unsolicited", False)
    ]


def mailed_rows(
    rows: Iterable[Notification],
    known: Mapping[int, tuple[Kind, Facts]],
    *,
    opted_out: Collection[int],
) -> list[Notification]:
    """Those that go by mail."""
    return [
        row
        for row in rows
        if known[row.pk][0].mail and row.pk not in opted_out and not _is_nowhere(row.email)
    ]


def _is_nowhere(address: str) -> bool:
    """Of people who were made up, or erased: no mail goes to `.invalid` (RFC 6761, section 6.4)."""
    return f".{address.rpartition('@')[2]}".endswith(".invalid")

"""Plans deliveries: which due notifications are merged, sent alone, or deferred.

Notifications that the mailbox's owner asked for are sent as one mail each. The others use a budget
(see `budget`). If there are more than a share of it allows, they are merged into one mail for each
kind and organizer. Those after the last allowed mail are deferred until the budget allows another.
Except for account security and cancelled events, they are given up a day after they were due. So a
stranger cannot fill a mailbox.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from config.api.http.rate_limits import seconds_to_wait

from ..models import Notification
from .budget import Budgets
from .kinds import Facts, Kind, Share, find_kind
from .outbox import OVER_BUDGET

GIVEN_UP = "It was deferred for a day: the mailbox got too many unsolicited e-mails."
TOO_MANY_CAUSED = "Very many e-mails about events of this organizer were sent today."
REPEATED = "A later one says the same."

#: Kind and facts of rows, by primary key.
Loaded = Mapping[int, tuple[Kind, Facts]]

_LONGEST_DEFERRAL = timedelta(days=1)
# Vital kinds come first when the budget allows another mail.
_AFTER_VITAL = timedelta(seconds=1)


@dataclass(frozen=True)
class Delivery:
    """One row, or several of a kind for one mailbox, that are delivered together.

    `by_mail`: whether they are mailed. Otherwise only the inbox shows them, if the kind allows it.
    `is_guarded`: whether the mail is taken from the mailbox's budget and defanged.
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
    """Rows that are deferred until `until`, and rows that are given up."""

    until: datetime
    rows: Sequence[Notification]
    given_up: Sequence[Notification]


def by_urgency(row: Notification) -> tuple[bool, object, int]:
    """The key of the order in which claimed rows are delivered."""
    kind = find_kind(row.kind)
    return kind is None or not kind.is_urgent, row.due_at, row.pk


def count_caused_mail(delivery: Delivery) -> int:
    """Counts a mail for the account that causes it. Seconds until it is allowed; 0 is now."""
    account = _counted_account(delivery.kind, delivery.facts[0])
    if account is None:
        return 0
    return seconds_to_wait("caused_mails", f"about events of user {account}")


def _counted_account(kind: Kind, facts: Facts) -> int | None:
    """The account that a mail is counted for, such as an organizer. Vital mails are not counted."""
    account: int | None = None if kind.is_vital else facts.get("caused_by")
    return account


def over_budget(
    rows: Iterable[Notification], loaded: Loaded, budgets: Budgets
) -> Iterator[Deferral]:
    """The deferrals of guarded rows whose share of the mailbox's budget is used up."""
    deferred: dict[tuple[str, Share], list[Notification]] = defaultdict(list)
    for row in rows:
        share = loaded[row.pk][0].share
        if budgets.left(row.email, share) == 0:
            deferred[row.email, share].append(row)
    for (address, share), of_share in deferred.items():
        yield deferral_of(of_share, share, budgets.free_at(address, share))


def deferral_of(rows: Sequence[Notification], share: Share, free_at: datetime) -> Deferral:
    """The deferral of rows whose share of a budget allows the next mail at `free_at`.

    Only rows that the budget deferred before are given up, so an outage of a day loses no mail.
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


def plan_deliveries(
    rows: Collection[Notification],
    loaded: Loaded,
    *,
    mailed: Collection[int],
    guarded: Collection[int],
    budgets: Budgets,
) -> tuple[list[Delivery], list[Notification]]:
    """The deliveries in the order of the rows, and the rows that a later row repeats.

    `mailed` and `guarded` are the primary keys of `mailed_rows` and `guarded_rows`.
    """
    by_share: dict[tuple[str, Share], list[Notification]] = defaultdict(list)
    for row in rows:
        if row.pk in guarded:
            by_share[row.email, loaded[row.pk][0].share].append(row)
    leaders: dict[int, list[Notification]] = {}
    repeated: list[Notification] = []
    for (address, share), of_share in by_share.items():
        left = budgets.left(address, share)
        if left is None or len(of_share) <= left:
            continue
        news, older = _without_repeated(of_share, loaded)
        repeated += older
        if len(news) > left:
            leaders |= {group[0].pk: group for group in _by_kind(news, loaded)}
    grouped = {row.pk for group in leaders.values() for row in group} | {row.pk for row in repeated}
    deliveries = []
    for row in rows:
        group = leaders.get(row.pk) or ([] if row.pk in grouped else [row])
        if group:
            kind = loaded[row.pk][0]
            facts = [loaded[member.pk][1] for member in group]
            deliveries.append(Delivery(kind, group, facts, row.pk in mailed, row.pk in guarded))
    return deliveries, repeated


def _without_repeated(
    rows: list[Notification], loaded: Loaded
) -> tuple[list[Notification], list[Notification]]:
    """The rows to send, and the rows that a later row repeats.

    A mail of account security describes the present state, so of several about one account the last
    one is enough.
    """
    last = {_account_of(row): row.pk for row in rows}
    news: list[Notification] = []
    repeated: list[Notification] = []
    for row in rows:
        is_repeated = loaded[row.pk][0].is_urgent and last[_account_of(row)] != row.pk
        (repeated if is_repeated else news).append(row)
    return news, repeated


def _account_of(row: Notification) -> tuple[str, int | None]:
    return row.kind, row.user_id


def _by_kind(rows: list[Notification], loaded: Loaded) -> Iterator[list[Notification]]:
    """Groups of one kind that are counted for one account.

    Rows that failed before, and rows of account security, are groups of their own.
    """
    groups: dict[tuple[str, int | None, int | None], list[Notification]] = defaultdict(list)
    for row in rows:
        kind, facts = loaded[row.pk]
        alone = row.pk if kind.is_urgent or row.attempts else None
        groups[row.kind, _counted_account(kind, facts), alone].append(row)
    yield from groups.values()


def guarded_rows(
    mailed: Iterable[Notification],
    loaded: Loaded,
    *,
    proven: Collection[str],
) -> list[Notification]:
    """The mailed rows that the owner of the mailbox may not have asked for."""
    return [
        row
        for row in mailed
        if row.email not in proven or loaded[row.pk][1].get("is_unsolicited", False)
    ]


def mailed_rows(
    rows: Iterable[Notification],
    loaded: Loaded,
    *,
    opted_out: Collection[int],
) -> list[Notification]:
    """The rows that are sent by mail."""
    return [
        row
        for row in rows
        if loaded[row.pk][0].mail and row.pk not in opted_out and not _is_undeliverable(row.email)
    ]


def _is_undeliverable(address: str) -> bool:
    """Whether the domain is below `.invalid` (RFC 6761, section 6.4): sample or erased data."""
    return f".{address.rpartition('@')[2]}".endswith(".invalid")

"""The table of notifications as a queue that any number of mailers take from.

A mailer takes rows for the time of a lease. It also holds an advisory lock of its own number for
as long as its connection lives, so rows of a mailer that was killed are free again in seconds.
Each outcome is a transaction of its own: what a crash can repeat is the one mail in hand.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Count, F, QuerySet
from django.utils import timezone

from ..models import Notification

State = Notification.State

LEASE = timedelta(minutes=15)
LAST_ATTEMPT = 8
_FIRST_DELAY = timedelta(seconds=30)
_LONGEST_DELAY = timedelta(hours=6)
_DELETED_AT_ONCE = 10_000
_LOCKS = 0x4D41494C  # the class of the mailers' advisory locks

OVER_BUDGET = "The mailbox has got all the e-mails of its budget."

_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT id FROM accounts_notification
        WHERE state = 'pending' AND attempt_at <= %(now)s
        ORDER BY attempt_at LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    )
    UPDATE accounts_notification SET claimed_by = %(mailer)s, attempt_at = %(until)s
    FROM due WHERE accounts_notification.id = due.id
    RETURNING accounts_notification.id
"""

_LIVING = """
    SELECT objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND classid = %s AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def enlist() -> int:
    """A number for a mailer, held by its connection."""
    while True:
        number = random.randrange(1, 2**31)  # noqa: S311  # a name, not a secret
        if hold(number):
            return number


def hold(number: int) -> bool:
    """Hold that number again, over a new connection; False while the old one still has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCKS, number])
        return bool(cursor.fetchone()[0])


def leave(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCKS, number])


def living() -> set[int]:
    """The mailers that are connected."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVING, [_LOCKS])
        return {number for (number,) in cursor.fetchall()}


def claim(mailer: int, limit: int) -> list[Notification]:
    """Up to `limit` rows that are due, with their users, for the time of a lease."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": now, "limit": limit, "mailer": mailer, "until": now + LEASE})
        ids = [pk for (pk,) in cursor.fetchall()]
    if not ids:
        return []
    return list(Notification.objects.select_related("user").filter(pk__in=ids).order_by("pk"))


def begin(mailer: int, row: Notification) -> bool:
    """Note that an attempt begins; False when the row is no longer this mailer's."""
    return bool(_own(mailer, [row.pk]).update(attempts=row.attempts))


def settle(mailer: int, row: Notification, state: str, *, error: str = "") -> None:
    """The end of a row: sent, shown, dropped or parked."""
    _own(mailer, [row.pk]).update(
        state=state,
        error=error,
        sent_at=timezone.now() if state == State.SENT else None,
        subject=row.subject,
        body=row.body,
        message_id=row.message_id,
        claimed_by=None,
    )


def drop(mailer: int, rows: Iterable[Notification], reason: str) -> None:
    ids = [row.pk for row in rows]
    if ids:
        _own(mailer, ids).update(state=State.DROPPED, error=reason, claimed_by=None)


def retry_later(mailer: int, row: Notification, error: str) -> None:
    """The next attempt in half a minute, then ever later; after the last one the row is parked."""
    if row.attempts >= LAST_ATTEMPT:
        settle(mailer, row, State.PARKED, error=error)
        return
    delay = min(_FIRST_DELAY * 4 ** (row.attempts - 1), _LONGEST_DELAY)
    delay *= random.uniform(0.8, 1.2)  # noqa: S311  # so that what failed together parts
    _own(mailer, [row.pk]).update(
        attempt_at=timezone.now() + delay, error=error, message_id=row.message_id, claimed_by=None
    )


def give_back(mailer: int, rows: Iterable[Notification], *, after: timedelta) -> None:
    """Rows that were not tried, through no fault of theirs."""
    ids = [row.pk for row in rows]
    if ids:
        _own(mailer, ids).update(attempt_at=timezone.now() + after, claimed_by=None)


def defer(mailer: int, rows: Iterable[Notification], until: datetime, reason: str) -> None:
    """Rows that must not be sent before `until`. Staff read the reason."""
    ids = [row.pk for row in rows]
    if ids:
        _own(mailer, ids).update(attempt_at=until, error=reason, claimed_by=None)


def send_deferred(address: str) -> None:
    """The mailbox is proven by now: what its budget deferred is due at once."""
    Notification.objects.filter(
        email=address, state=State.PENDING, claimed_by=None, error=OVER_BUDGET
    ).update(attempt_at=timezone.now())


def give_back_all(mailer: int) -> None:
    """Whatever a mailer still has; for one that lost its connection in the middle."""
    Notification.objects.filter(claimed_by=mailer, state=State.PENDING).update(
        attempt_at=timezone.now(), claimed_by=None
    )


def uncount(mailer: int, row: Notification) -> None:
    """The attempt came to nothing before the mail was told to the server."""
    _own(mailer, [row.pk]).update(attempts=F("attempts") - 1)


def send_again(row: Notification) -> None:
    """Give a row that was given up all its attempts once more."""
    Notification.objects.filter(pk=row.pk, state=State.PARKED).update(
        state=State.PENDING, attempts=0, attempt_at=timezone.now()
    )


def forget_old() -> int:
    """Delete what was told, dropped or given up some time ago, a piece at a time; returns how many.

    A fact whose row is gone could be told again: what finds facts by the clock has to look back
    for less than `NOTIFICATION_DAYS`.
    """
    before = timezone.now() - timedelta(days=settings.NOTIFICATION_DAYS)
    old = Notification.objects.filter(created_at__lt=before, due_at__lt=before)
    deleted = 0
    while True:
        piece = old.exclude(state=State.PENDING).values("pk")[:_DELETED_AT_ONCE]
        gone = Notification.objects.filter(pk__in=piece)._raw_delete(DEFAULT_DB_ALIAS)
        deleted += gone
        if gone < _DELETED_AT_ONCE:
            return deleted


def free_claims_of_the_dead(suspects: set[int]) -> set[int]:
    """Free the rows of mailers that are gone, and were when `suspects` was answered.

    Two looks, since a mailer whose connection was cut needs a moment to come back.
    """
    taken = Notification.objects.filter(claimed_by__isnull=False)
    claimants = {number for number in taken.values_list("claimed_by", flat=True) if number}
    if not claimants:
        return set()
    gone = claimants - living()
    if gone & suspects:
        taken.filter(claimed_by__in=gone & suspects, state=State.PENDING).update(
            claimed_by=None, attempt_at=timezone.now()
        )
    return gone - suspects


@dataclass(frozen=True)
class Backlog:
    """How the queue is doing: rows that are due, the age of the oldest of them, rows given up."""

    due: int
    oldest_seconds: float
    parked: int


def backlog() -> Backlog:
    rows = Notification.objects.filter(state=State.PENDING, attempt_at__lte=timezone.now())
    parked = Notification.objects.filter(state=State.PARKED).count()
    return Backlog(rows.count(), oldest_seconds(), parked)


def deliveries_since(since: datetime) -> dict[str, int]:
    """The number of notifications created since then, by state. An index has `created_at`."""
    rows = Notification.objects.filter(created_at__gte=since).values_list("state")
    counts = dict(rows.annotate(Count("id")).order_by())
    return {state.value: counts.get(state.value, 0) for state in State}


def oldest_seconds() -> float:
    """For how long the first in the queue has been due; 0 when nobody waits."""
    now = timezone.now()
    rows = Notification.objects.filter(state=State.PENDING, attempt_at__lte=now)
    first = rows.order_by("attempt_at").values_list("attempt_at", "due_at").first()
    return max(0.0, (now - max(first)).total_seconds()) if first else 0.0


def _own(mailer: int, ids: list[int]) -> QuerySet[Notification]:
    return Notification.objects.filter(pk__in=ids, claimed_by=mailer, state=State.PENDING)

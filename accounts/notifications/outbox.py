"""The table of notifications as a queue for any number of mailers.

A mailer claims rows for the time of a lease. Its connection also holds an advisory lock with the
mailer's number, so the rows of a killed mailer are free again within seconds. Each outcome is a
transaction of its own, so a crash can repeat one mail at most.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Count, F, QuerySet
from django.utils import timezone

from config.api.sql.claimants import Claimants

from ..models import Notification

State = Notification.State

LEASE = timedelta(minutes=15)
LAST_ATTEMPT = 8
_FIRST_DELAY = timedelta(seconds=30)
_LONGEST_DELAY = timedelta(hours=6)
_DELETED_AT_ONCE = 10_000

mailers = Claimants(Notification, locks=0x4D41494C)

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


# Each mail has these two. The ORM builds them in a tenth of a mail's processor time.
_BEGIN = """
    UPDATE accounts_notification SET attempts = %(attempts)s
    WHERE id = %(id)s AND claimed_by = %(mailer)s AND state = 'pending'
"""
_SETTLE = """
    UPDATE accounts_notification SET
        state = %(state)s, error = %(error)s, sent_at = %(sent_at)s, subject = %(subject)s,
        body = %(body)s, message_id = %(message_id)s, claimed_by = NULL
    WHERE id = %(id)s AND claimed_by = %(mailer)s AND state = 'pending'
"""


def claim(mailer: int, limit: int) -> list[Notification]:
    """Claim up to `limit` due rows for the time of a lease. Returns them with their users."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": now, "limit": limit, "mailer": mailer, "until": now + LEASE})
        ids = [pk for (pk,) in cursor.fetchall()]
    if not ids:
        return []
    return list(Notification.objects.select_related("user").filter(pk__in=ids).order_by("pk"))


def begin(mailer: int, row: Notification) -> bool:
    """Record that an attempt begins. False if the mailer no longer has the claim."""
    return _update(_BEGIN, mailer, row, attempts=row.attempts)


def settle(mailer: int, row: Notification, state: str, *, error: str = "") -> None:
    """Record the final state of a row: sent, shown, dropped or parked."""
    _update(
        _SETTLE,
        mailer,
        row,
        state=str(state),
        error=error,
        sent_at=timezone.now() if state == State.SENT else None,
        subject=row.subject,
        body=row.body,
        message_id=row.message_id,
    )


def drop(mailer: int, rows: Iterable[Notification], reason: str) -> None:
    ids = [row.pk for row in rows]
    if ids:
        _own(mailer, ids).update(state=State.DROPPED, error=reason, claimed_by=None)


def retry_later(mailer: int, row: Notification, error: str) -> None:
    """Schedule the next attempt, with exponential delays. After the last one, park the row."""
    if row.attempts >= LAST_ATTEMPT:
        settle(mailer, row, State.PARKED, error=error)
        return
    delay = min(_FIRST_DELAY * 4 ** (row.attempts - 1), _LONGEST_DELAY)
    delay *= random.uniform(0.8, 1.2)  # noqa: S311  # spreads rows that failed together
    _own(mailer, [row.pk]).update(
        attempt_at=timezone.now() + delay, error=error, message_id=row.message_id, claimed_by=None
    )


def give_back(mailer: int, rows: Iterable[Notification], *, after: timedelta) -> None:
    """Release the claim of rows that were not attempted."""
    ids = [row.pk for row in rows]
    if ids:
        _own(mailer, ids).update(attempt_at=timezone.now() + after, claimed_by=None)


def defer(mailer: int, rows: Iterable[Notification], until: datetime, reason: str) -> None:
    """Schedule rows for `until`. The admin shows the reason."""
    ids = [row.pk for row in rows]
    if ids:
        _own(mailer, ids).update(attempt_at=until, error=reason, claimed_by=None)


def send_deferred(address: str) -> None:
    """Make the rows due that the budget of a mailbox deferred, since it is proven now."""
    Notification.objects.filter(
        email=address, state=State.PENDING, claimed_by=None, error=OVER_BUDGET
    ).update(attempt_at=timezone.now())


def uncount(mailer: int, row: Notification) -> None:
    """Undo the count of an attempt that ended before the server got the mail."""
    _own(mailer, [row.pk]).update(attempts=F("attempts") - 1)


def send_again(row: Notification) -> None:
    """Enqueue a parked row again, with all its attempts."""
    Notification.objects.filter(pk=row.pk, state=State.PARKED).update(
        state=State.PENDING, attempts=0, attempt_at=timezone.now()
    )


def delete_old_notifications() -> int:
    """Delete old rows that are not pending, in batches. Returns their number.

    A deleted row no longer prevents a second one with its key. So periodic jobs that enqueue must
    look back for less than `NOTIFICATION_DAYS`.
    """
    before = timezone.now() - timedelta(days=settings.NOTIFICATION_DAYS)
    old = Notification.objects.filter(created_at__lt=before, due_at__lt=before)
    deleted = 0
    while True:
        batch = old.exclude(state=State.PENDING).values("pk")[:_DELETED_AT_ONCE]
        number = Notification.objects.filter(pk__in=batch)._raw_delete(DEFAULT_DB_ALIAS)
        deleted += number
        if number < _DELETED_AT_ONCE:
            return deleted


@dataclass(frozen=True)
class Backlog:
    """The state of the queue: due rows, the age of the oldest one in seconds, parked rows."""

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
    """Seconds since the first row of the queue is due. 0 for an empty queue."""
    now = timezone.now()
    rows = Notification.objects.filter(state=State.PENDING, attempt_at__lte=now)
    first = rows.order_by("attempt_at").values_list("attempt_at", "due_at").first()
    return max(0.0, (now - max(first)).total_seconds()) if first else 0.0


def _update(sql: str, mailer: int, row: Notification, **values: Any) -> bool:
    """Run a statement of one row. False if the mailer no longer has the claim."""
    with connection.cursor() as cursor:
        cursor.execute(sql, {"id": row.pk, "mailer": mailer, **values})
        return bool(cursor.rowcount)


def _own(mailer: int, ids: list[int]) -> QuerySet[Notification]:
    return Notification.objects.filter(pk__in=ids, claimed_by=mailer, state=State.PENDING)

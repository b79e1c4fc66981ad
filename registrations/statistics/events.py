"""The statistics of one event, within one snapshot.

Every sum starts from counts for each quarter of an hour, since offsets of zones are whole quarters.
New registrations are read from the index of registrations alone, and all other changes from the
ledger's index of changes alone. Reading a hundred thousand rows would take five times as long.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from events.models import Event

from ..models import LedgerEntry, Registration
from .answers import answer_summary
from .buckets import Interval, Range, bucket_edges, finest_interval

Kind = LedgerEntry.Kind
Status = Registration.Status

_SLOT = timedelta(minutes=15)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A slot is the number of a quarter of an hour since 1970. Python reads numbers ten times as quickly
# as instants.
_SLOT_NUMBER = "extract(epoch FROM slot)::bigint / 900"

_REGISTERED = f"""
    SELECT {_SLOT_NUMBER}, people FROM (
        SELECT date_bin('15 minutes', registered_at, 'epoch') AS slot, count(*) AS people
        FROM registrations_registration WHERE event_id = %(event_id)s GROUP BY 1
    ) AS counted
"""  # noqa: S608  # nosec  # composed of constants only, as below

_CHANGES = f"""
    SELECT kind, {_SLOT_NUMBER}, people FROM (
        SELECT kind, date_bin('15 minutes', at, 'epoch') AS slot, count(*) AS people
        FROM registrations_ledgerentry
        WHERE event_id = %(event_id)s AND kind <> 'registered' GROUP BY 1, 2
    ) AS counted
"""  # noqa: S608  # nosec

# A cancelled registration keeps the times of its confirmation and its check-in.
_CANCELLED = f"""
    SELECT {_SLOT_NUMBER}, unseated, absent FROM (
        SELECT date_bin('15 minutes', entry.at, 'epoch') AS slot,
            coalesce(sum(entry.people) FILTER (WHERE row.confirmed_at IS NULL), 0) AS unseated,
            coalesce(
                sum(row.party_size - row.absent_count) FILTER (
                    WHERE row.checked_in_at IS NOT NULL
                ), 0
            ) AS absent
        FROM registrations_ledgerentry AS entry
        JOIN registrations_registration AS row ON row.id = entry.registration_id
        WHERE entry.event_id = %(event_id)s AND entry.kind = 'cancelled' GROUP BY 1
    ) AS counted
"""  # noqa: S608  # nosec

# The people beyond one for each entry. An index has the few entries of parties.
_PARTIES = f"""
    SELECT kind, {_SLOT_NUMBER}, people FROM (
        SELECT kind, date_bin('15 minutes', at, 'epoch') AS slot, sum(people - 1) AS people
        FROM registrations_ledgerentry
        WHERE event_id = %(event_id)s
            AND (people > 1 OR kind IN ('party_grown', 'party_shrunk')) GROUP BY 1, 2
    ) AS counted
"""  # noqa: S608  # nosec

# Parties that became smaller while they waited.
_SHRUNK_WAITING = f"""
    SELECT {_SLOT_NUMBER}, people FROM (
        SELECT date_bin('15 minutes', entry.at, 'epoch') AS slot, sum(entry.people) AS people
        FROM registrations_ledgerentry AS entry
        JOIN registrations_registration AS row ON row.id = entry.registration_id
        WHERE entry.event_id = %(event_id)s AND entry.kind = 'party_shrunk'
            AND row.queue_number IS NOT NULL
            AND (row.confirmed_at IS NULL OR entry.at <= row.confirmed_at) GROUP BY 1
    ) AS counted
"""  # noqa: S608  # nosec

# Parties whose size changed while they waited for a decision, so that their seats did not change.
_RESIZED_PENDING = f"""
    SELECT {_SLOT_NUMBER}, people FROM (
        SELECT date_bin('15 minutes', entry.at, 'epoch') AS slot,
            sum(CASE entry.kind WHEN 'party_grown' THEN -entry.people ELSE entry.people END)
                AS people
        FROM registrations_ledgerentry AS entry
        JOIN registrations_registration AS row ON row.id = entry.registration_id
        WHERE entry.event_id = %(event_id)s
            AND (
                entry.kind = 'party_grown'
                OR entry.kind = 'party_shrunk' AND row.queue_number IS NULL
            )
            AND EXISTS (
                SELECT FROM registrations_ledgerentry AS made
                WHERE made.registration_id = row.id AND made.kind = 'pending'
            )
            AND NOT EXISTS (
                SELECT FROM registrations_ledgerentry AS decided
                WHERE decided.registration_id = row.id AND decided.id < entry.id
                    AND decided.kind IN ('approved', 'approved_queued')
            )
        GROUP BY 1
    ) AS counted
"""  # noqa: S608  # nosec

_COUNTERS = """
    SELECT registered_count, waitlist_count FROM events_event WHERE id = %(event_id)s
"""

_OTHER_STATES = """
    SELECT status, sum(party_size) FROM registrations_registration
    WHERE event_id = %(event_id)s AND status IN ('pending', 'rejected')
    GROUP BY status
"""

_NTH_REGISTRATION = """
    SELECT registered_at FROM registrations_registration WHERE event_id = %(event_id)s
    ORDER BY registered_at {order} OFFSET %(offset)s LIMIT 1
"""

_SOURCES = """
    SELECT source, sum(party_size) FROM registrations_registration
    WHERE event_id = %(event_id)s AND source <> '' GROUP BY source ORDER BY 2 DESC, 1
"""

_PERCENTILES = (10, 50, 90)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened from `begin` on and before `end`: people by the name of the change."""

    begin: datetime
    end: datetime
    people: dict[str, int]
    confirmed_at_end: int


@dataclass(frozen=True, slots=True)
class EventStatistics:
    as_of: datetime
    zone: tzinfo
    totals: dict[str, int]
    rates: dict[str, float | None]
    timeline: list[Bucket]
    lead_days: dict[str, float | None]
    sources: dict[str, int]
    answers: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Changes:
    """People by the slot of the change.

    `registered` has those whose party grew, and the cancelled ones those whose party shrank.
    `unseated` left the waitlist by either, `absent` were checked in and cancelled then.
    """

    registrations: int
    registered: Counter[int]
    by_kind: dict[str, Counter[int]]
    unseated: Counter[int]
    absent: Counter[int]

    def of(self, kind: Kind) -> Counter[int]:
        return self.by_kind.get(kind.value, Counter())

    def slots(self) -> Iterable[int]:
        yield from self.registered
        for counts in self.by_kind.values():
            yield from counts


@transaction.atomic
def event_statistics(
    event: Event,
    zone: tzinfo,
    *,
    interval: Interval | None = None,
    begin: datetime | None = None,
    end: datetime | None = None,
) -> EventStatistics:
    """The statistics, with a timeline from `begin` on and before `end`.

    Without these the timeline has everything that happened. Without an interval it has days, or
    longer buckets if there would be too many. Raises `TooManyBuckets` and `OverflowError`.
    """
    now = timezone.now()
    with connection.cursor() as cursor:
        if not connection.savepoint_ids:  # the outermost transaction
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        counters = _rows(cursor, _COUNTERS, event)[0]
        changes = _read_changes(cursor, event, counters[1])
        span = _span(event, changes, now, begin, end)
        edges = bucket_edges(span, interval or finest_interval(span, zone), zone)
        totals = _totals(cursor, event, changes, counters)
        totals["no_show"] = _no_show(totals) if event.end_time <= now else 0
        return EventStatistics(
            as_of=now,
            zone=zone,
            totals=totals,
            rates=_rates(event, totals),
            timeline=_timeline(changes, edges),
            lead_days=_lead_days(cursor, event, totals["registrations"]),
            sources=dict(_rows(cursor, _SOURCES, event)),
            answers=answer_summary(event).questions,
        )


def _read_changes(cursor: Any, event: Event, waitlisted: int) -> _Changes:
    registered = Counter(dict(_rows(cursor, _REGISTERED, event)))
    by_kind: dict[str, Counter[int]] = {}
    for kind, slot, count in _rows(cursor, _CHANGES, event):
        by_kind.setdefault(kind, Counter())[slot] = count
    registrations = registered.total()
    shrunk = _count_parties(cursor, event, registered, by_kind)
    changes = _Changes(registrations, registered, by_kind, Counter(), Counter())
    if _may_be_special(changes, waitlisted):
        for slot, unseated, absent in _rows(cursor, _CANCELLED, event):
            changes.unseated[slot] = unseated
            changes.absent[slot] = absent
    if shrunk:
        changes.unseated.update(dict(_rows(cursor, _SHRUNK_WAITING, event)))
    if changes.of(Kind.PENDING):
        changes.unseated.update(dict(_rows(cursor, _RESIZED_PENDING, event)))
    return changes


def _count_parties(
    cursor: Any, event: Event, registered: Counter[int], by_kind: dict[str, Counter[int]]
) -> bool:
    """Counts people in place of entries. Returns whether a party shrank."""
    for kind, slot, more in _rows(cursor, _PARTIES, event):
        by_kind.setdefault(kind, Counter())[slot] += int(more)
        if kind in {Kind.REGISTERED, Kind.QUEUED, Kind.PENDING}:
            registered[slot] += int(more)
    by_kind.pop(Kind.REGISTERED.value, None)
    registered.update(by_kind.pop(Kind.PARTY_GROWN.value, Counter()))
    shrunk = by_kind.pop(Kind.PARTY_SHRUNK.value, Counter())
    if shrunk:
        by_kind.setdefault(Kind.CANCELLED.value, Counter()).update(shrunk)
    return bool(shrunk)


def _may_be_special(changes: _Changes, waitlisted: int) -> bool:
    """Whether a cancelled registration may have been waitlisted, pending or checked in.

    The rows of cancelled registrations are only read in this case.
    """
    cancelled, checked_in = changes.of(Kind.CANCELLED), changes.of(Kind.CHECKED_IN)
    queued = changes.of(Kind.QUEUED).total() + changes.of(Kind.APPROVED_TO_QUEUE).total()
    left = queued - changes.of(Kind.PROMOTED).total() > waitlisted or bool(changes.of(Kind.PENDING))
    return bool(cancelled) and (left or (bool(checked_in) and max(cancelled) >= min(checked_in)))


def _span(
    event: Event, changes: _Changes, now: datetime, begin: datetime | None, end: datetime | None
) -> Range:
    """The range of the timeline: from the creation to now, or to the end of a past event."""
    slots = sorted(changes.slots())
    first, last = (_beginning(slots[0]), _beginning(slots[-1] + 1)) if slots else (now, _EPOCH)
    until = end or max(min(now, event.end_time), last)
    since = begin or min(event.created_at, first, until - timedelta.resolution)
    return Range(since, until)


def _beginning(slot: int) -> datetime:
    return _EPOCH + slot * _SLOT


def _timeline(changes: _Changes, edges: Sequence[datetime]) -> list[Bucket]:
    queued, promoted = changes.of(Kind.QUEUED), changes.of(Kind.PROMOTED)
    cancelled, checked_in = changes.of(Kind.CANCELLED), Counter(changes.of(Kind.CHECKED_IN))
    checked_in.subtract(changes.of(Kind.CHECK_IN_UNDONE))
    checked_in.subtract(changes.absent)
    confirmed = Counter(changes.registered)
    confirmed.update(promoted)
    confirmed.update(changes.unseated)
    confirmed.update(changes.of(Kind.APPROVED))
    confirmed.subtract(changes.of(Kind.PENDING))
    confirmed.subtract(queued)
    confirmed.subtract(cancelled)
    by_name = {
        "registered": _by_bucket(changes.registered, edges),
        "promoted": _by_bucket(promoted, edges),
        "cancelled": _by_bucket(cancelled, edges),
        "checked_in": _by_bucket(checked_in, edges),
    }
    gained = _by_bucket(confirmed, edges)
    total = gained[0]  # before the first bucket
    buckets = []
    for number, (begin, end) in enumerate(pairwise(edges), 1):
        total += gained[number]
        people = {name: counts[number] for name, counts in by_name.items()}
        buckets.append(Bucket(begin, end, people, total))
    return buckets


def _by_bucket(counts: Counter[int], edges: Sequence[datetime]) -> Counter[int]:
    """The counts by the number of their bucket. 0 is before the first one."""
    beginnings = [(edge - _EPOCH) / _SLOT for edge in edges]
    sums: Counter[int] = Counter()
    for slot, count in counts.items():
        sums[bisect_right(beginnings, slot)] += count
    return sums


def _totals(
    cursor: Any, event: Event, changes: _Changes, counters: tuple[int, ...]
) -> dict[str, int]:
    confirmed, waitlisted = counters
    people = changes.registered.total()
    cancelled = changes.of(Kind.CANCELLED).total()
    checked_in = changes.of(Kind.CHECKED_IN).total() - changes.of(Kind.CHECK_IN_UNDONE).total()
    checked_in -= changes.absent.total()
    has_others = people > confirmed + waitlisted + cancelled
    others = dict(_rows(cursor, _OTHER_STATES, event)) if has_others else {}
    return {
        "registrations": changes.registrations,
        "people": people,
        "confirmed": confirmed,
        "waitlisted": waitlisted,
        "pending": others.get("pending", 0),
        "rejected": others.get("rejected", 0),
        "cancelled": cancelled,
        "checked_in": checked_in,
    }


def _no_show(totals: dict[str, int]) -> int:
    return totals["confirmed"] - totals["checked_in"]


def _rates(event: Event, totals: dict[str, int]) -> dict[str, float | None]:
    """Shares from 0 to 1. None where there is nothing to divide by."""
    return {
        "full": _share(totals["confirmed"], event.max_capacity),
        "cancelled": _share(totals["cancelled"], totals["people"]),
        "attended": _share(totals["checked_in"], totals["confirmed"]),
    }


def _share(part: int, whole: int | None) -> float | None:
    return round(part / whole, 4) if whole else None


def _lead_days(cursor: Any, event: Event, number: int) -> dict[str, float | None]:
    """The days between registering and the start, by percentile (nearest rank).

    The last to register have the shortest lead. Each is counted from the nearer end of the index.
    """
    leads: dict[str, float | None] = {}
    for percentile in _PERCENTILES:
        rank = max(1, -(-number * percentile // 100))  # from the last to register
        is_late = rank <= number / 2
        sql = _NTH_REGISTRATION.format(order="DESC" if is_late else "")
        offset = rank - 1 if is_late else number - rank
        rows = _rows(cursor, sql, event, offset=offset) if number else []
        lead = event.start_time - rows[0][0] if rows else None
        leads[f"p{percentile}"] = None if lead is None else round(lead / timedelta(days=1), 2)
    return leads


def _rows(cursor: Any, sql: str, event: Event, **parameters: Any) -> list[tuple[Any, ...]]:
    cursor.execute(sql, {"event_id": event.pk, **parameters})
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows

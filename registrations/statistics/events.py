"""The statistics of one event, within one snapshot.

Every sum starts from the counts for each quarter of an hour that `counts` reads.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from django.utils import timezone

from events.models import Event

from .answers import answer_summary
from .buckets import Interval, Range, bucket_edges, finest_interval
from .counts import EPOCH, SLOT, Changes, Kind, beginning, read_changes, read_rows
from .snapshots import one_snapshot

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
    with one_snapshot() as cursor:
        counters = read_rows(cursor, _COUNTERS, event)[0]
        changes = read_changes(cursor, event, counters[1])
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
            sources=dict(read_rows(cursor, _SOURCES, event)),
            answers=answer_summary(event).questions,
        )


def _span(
    event: Event, changes: Changes, now: datetime, begin: datetime | None, end: datetime | None
) -> Range:
    """The range of the timeline: from the creation to now, or to the end of a past event."""
    slots = sorted(changes.slots())
    first, last = (beginning(slots[0]), beginning(slots[-1] + 1)) if slots else (now, EPOCH)
    until = end or max(min(now, event.end_time), last)
    since = begin or min(event.created_at, first, until - timedelta.resolution)
    return Range(since, until)


def _timeline(changes: Changes, edges: Sequence[datetime]) -> list[Bucket]:
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
    beginnings = [(edge - EPOCH) / SLOT for edge in edges]
    sums: Counter[int] = Counter()
    for slot, count in counts.items():
        sums[bisect_right(beginnings, slot)] += count
    return sums


def _totals(
    cursor: Any, event: Event, changes: Changes, counters: tuple[int, ...]
) -> dict[str, int]:
    confirmed, waitlisted = counters
    people = changes.registered.total()
    cancelled = changes.of(Kind.CANCELLED).total()
    checked_in = changes.of(Kind.CHECKED_IN).total() - changes.of(Kind.CHECK_IN_UNDONE).total()
    checked_in -= changes.absent.total()
    has_others = people > confirmed + waitlisted + cancelled
    others = dict(read_rows(cursor, _OTHER_STATES, event)) if has_others else {}
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
        rows = read_rows(cursor, sql, event, offset=offset) if number else []
        lead = event.start_time - rows[0][0] if rows else None
        leads[f"p{percentile}"] = None if lead is None else round(lead / timedelta(days=1), 2)
    return leads

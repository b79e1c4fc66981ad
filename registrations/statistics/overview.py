"""The statistics of all events of an account, in groups."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import User
from config.api.text.instants import render_instant
from events.models import Event, Right, listed_events
from events.zones import wall_clock


class Grouping(StrEnum):
    EVENT = "event"
    MONTH = "month"
    CATEGORY = "category"


# Rows of registrations are counted by an index alone, check-ins and parties by partial ones.
_EVENTS = """
    SELECT event.id, event.name, event.start_time, category.slug, event.registered_count,
        event.waitlist_count, registered.number, registered.number + party.number,
        coalesce(present.number, 0),
        CASE WHEN event.end_time <= %(now)s AND event.status <> 'draft'
            THEN event.registered_count - coalesce(present.number, 0) ELSE 0 END,
        coalesce(undecided.number, 0)
    FROM events_event AS event
    LEFT JOIN events_category AS category ON category.id = event.category_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS number FROM registrations_registration WHERE event_id = event.id
    ) AS registered
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(
            CASE kind WHEN 'party_grown' THEN people ELSE people - 1 END
        ), 0)::bigint AS number
        FROM registrations_ledgerentry
        WHERE event_id = event.id AND kind IN ('registered', 'queued', 'party_grown')
            AND (people > 1 OR kind IN ('party_grown', 'party_shrunk'))
    ) AS party
    LEFT JOIN LATERAL (
        SELECT sum(party_size)::bigint AS number FROM registrations_registration
        WHERE event_id = event.id AND status IN ('pending', 'rejected')
    ) AS undecided ON true
    LEFT JOIN LATERAL (
        SELECT sum(party_size - absent_count)::bigint AS number FROM registrations_registration
        WHERE event_id = event.id AND checked_in_at IS NOT NULL AND status = 'confirmed'
    ) AS present ON true
    WHERE event.id = ANY(%(events)s)
    ORDER BY event.start_time, event.id
"""

_COUNTS = (
    "events", "registrations", "people", "confirmed", "waitlisted", "cancelled", "checked_in",
    "no_show",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _EventRow:
    id: int
    name: str
    start_time: datetime
    category: str | None
    confirmed: int
    waitlisted: int
    registrations: int
    people: int
    checked_in: int
    no_show: int
    undecided: int

    def counts(self) -> dict[str, int]:
        return {
            "events": 1,
            "registrations": self.registrations,
            "people": self.people,
            "confirmed": self.confirmed,
            "waitlisted": self.waitlisted,
            "cancelled": self.people - self.confirmed - self.waitlisted - self.undecided,
            "checked_in": self.checked_in,
            "no_show": self.no_show,
        }


@dataclass(frozen=True, slots=True)
class Overview:
    as_of: datetime
    zone: tzinfo
    group_by: Grouping
    totals: dict[str, int] = field(default_factory=dict)
    groups: list[dict[str, Any]] = field(default_factory=list)


def account_statistics(user: User, zone: tzinfo, group_by: Grouping) -> Overview:
    """The sums over the events on which the account sees people, drafts too, without deleted ones.

    Groups of events and months are in the order of time, categories by their slug; the events
    without a category are last. Months are those of the starts, in `zone`.
    """
    now = timezone.now()
    condition = listed_events(user, right=Right.PEOPLE)
    events = Event.objects.none() if condition is None else Event.objects.filter(condition)
    ids = list(events.existing().values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, {"events": ids, "now": now})
        rows = [_EventRow(*row) for row in cursor.fetchall()]
    labels = _LABELS[group_by]
    groups: dict[Any, dict[str, Any]] = {}
    for row in rows:
        label = labels(row, zone)
        group = groups.setdefault(tuple(label.values()), {**label, **dict.fromkeys(_COUNTS, 0)})
        for name, count in row.counts().items():
            group[name] += count
    result = list(groups.values())
    if group_by == Grouping.CATEGORY:
        result.sort(key=lambda group: (group["category"] is None, group["category"]))
    return Overview(now, zone, group_by, _sums(result), result)


def _sums(groups: Iterable[dict[str, Any]]) -> dict[str, int]:
    totals = dict.fromkeys(_COUNTS, 0)
    for group in groups:
        for name in _COUNTS:
            totals[name] += group[name]
    return totals


_LABELS: dict[Grouping, Callable[[_EventRow, tzinfo], dict[str, Any]]] = {
    Grouping.EVENT: lambda row, zone: {
        "event": row.id,
        "name": row.name,
        "start_time": render_instant(row.start_time, zone),
    },
    Grouping.MONTH: lambda row, zone: {"month": f"{wall_clock(row.start_time, zone):%Y-%m}"},
    Grouping.CATEGORY: lambda row, zone: {"category": row.category},
}

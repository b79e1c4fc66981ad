"""How many events of a list there are by category, month and location.

Counting a million takes half a second. So a list of more than `EXACT` events is told from a sample,
the same one each time, and the numbers are near. Which events are sampled is decided by a number
that their ids give, in an index with all columns that facets and most filters need. How many are
depends on the list: the shorter that is, the larger a part.
"""

from datetime import tzinfo
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Max, Min, Q
from django.db.models.functions import Coalesce, TruncMonth
from django.db.models.lookups import LessThan

from config.api.replica import reading_connection

from .models import Category, Event, EventQuerySet
from .models.sample import SIXTEEN, IsSampled, Spread
from .search import Search

EXACT = 5_000
MOST_MONTHS = 120
MOST_LOCATIONS = 20

# How many events are looked at first; when fewer of them are in the list than the second, more are.
LOOKED_AT = 10_000
TOLD_FROM = 2_000

# The same for words, which are in no index with the rest: each event has to be read. Of rare words
# another index knows the events.
READ = 6_000
TOLD_FROM_READ = 300

_COUNT = """
    WITH found AS MATERIALIZED ({events})
    SELECT 'total', NULL, count(*) FROM found
    UNION ALL
    SELECT 'category', category_id::text, count(*) FROM found GROUP BY category_id
    UNION ALL
    (SELECT 'month', to_char(month, 'YYYY-MM'), count(*)
     FROM found GROUP BY month ORDER BY month LIMIT %s)
    UNION ALL
    (SELECT 'location', location, count(*) FROM found GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT %s)
"""

_Counts = dict[str, dict[str | None, int]]


def count_facets(events: EventQuerySet, zone: tzinfo) -> dict[str, Any]:
    """Counts of the events, with months as they are in the zone.

    `approximate` tells whether all numbers are estimates, from a sample.
    """
    search = events.narrowing.search if events.narrowing else None
    counts: _Counts = {"total": {None: 0}, "category": {}, "month": {}, "location": {}}
    step = 1
    ids: Any = Event.objects.aggregate(number=Coalesce(Max("pk") - Min("pk") + 1, 0))
    try:
        if ids["number"] > EXACT:
            counts, step = _estimated(events, search, ids["number"], zone)
        if counts["total"][None] * step <= EXACT:
            counts, step = _counted(events, zone), 1
    except EmptyResultSet:  # nothing can match, and there is no SQL for that
        pass
    categories = Category.objects.in_bulk([int(key) for key in counts["category"] if key])
    told = [
        (categories.get(int(key)) if key else None, number * step)
        for key, number in counts["category"].items()
    ]
    return {
        "count": counts["total"][None] * step,
        "approximate": step > 1,
        "categories": [
            {"slug": each and each.slug, "name": each and each.name, "count": number}
            for each, number in sorted(told, key=lambda pair: (-pair[1], str(pair[0])))
        ],
        "months": [
            {"month": month, "count": number * step} for month, number in counts["month"].items()
        ],
        "locations": [
            {"location": location, "count": number * step}
            for location, number in counts["location"].items()
        ],
    }


def _estimated(
    events: EventQuerySet, search: Search | None, number: int, zone: tzinfo
) -> tuple[_Counts, int]:
    """Counts of a sample, and of how many events each one of it stands for."""
    available = number // SIXTEEN
    looked_at, told_from = (READ, TOLD_FROM_READ) if search else (LOOKED_AT, TOLD_FROM)
    if search and search.estimate() <= READ * SIXTEEN:
        looked_at = available
    part = max(1, available // max(1, looked_at))
    counts = _counted(_sampled(events, part), zone)
    total = counts["total"][None]
    # The shorter the list, the larger the part that is needed to tell it from.
    needed = 1 if search else max(1, part * total // told_from)
    if total < told_from and needed < part and total * part * SIXTEEN > EXACT:
        part = needed
        counts = _counted(_sampled(events, part), zone)
    return counts, part * SIXTEEN


def _sampled(events: EventQuerySet, part: int) -> EventQuerySet:
    """Of the events one in `part * SIXTEEN`, always the same."""
    sample = events.filter(Q(IsSampled()))
    return sample if part == 1 else sample.filter(LessThan(Spread(), 2**32 // part - 2**31))


def _counted(events: EventQuerySet, zone: tzinfo) -> _Counts:
    rows = events.order_by().annotate(month=TruncMonth("start_time", tzinfo=zone))
    sql, params = rows.values_list("category_id", "month", "location").query.sql_with_params()
    counts: _Counts = {"total": {}, "category": {}, "month": {}, "location": {}}
    with reading_connection().cursor() as cursor:
        cursor.execute(_COUNT.format(events=sql), [*params, MOST_MONTHS, MOST_LOCATIONS])
        for kind, key, number in cursor.fetchall():
            counts[kind][key] = number
    return counts

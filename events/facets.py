"""How many events of a list there are by category, month and location.

Counting a million takes half a second. So a list of more than `EXACT` events is told from a sample
of ids that are spread evenly, the same ones each time: the cost is that of `SAMPLE` rows, whatever
the size of the list, and the numbers are near.
"""

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import BooleanField, F, Func, Max, Min, Q

from config.api.replica import reading_connection

from .models import Category, Event, EventQuerySet

EXACT = 10_000
SAMPLE = 20_000
MOST_MONTHS = 120
MOST_LOCATIONS = 20

_COUNT = """
    WITH found AS MATERIALIZED ({events})
    SELECT 'total', NULL, count(*) FROM found
    UNION ALL
    SELECT 'category', category_id::text, count(*) FROM found GROUP BY category_id
    UNION ALL
    (SELECT 'month', to_char(start_time AT TIME ZONE %s, 'YYYY-MM'), count(*)
     FROM found GROUP BY 2 ORDER BY 2 LIMIT %s)
    UNION ALL
    (SELECT 'location', location, count(*) FROM found GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT %s)
"""


class _Sampled(Func):
    """Whether an id is the one of its `step` ids that the sample has."""

    # A list of ids for the index; joined, the planner might read the table.
    template = (
        "%(expressions)s = ANY(ARRAY(SELECT first + abs(hashint8(first)::bigint) %%%% %(step)s"
        " FROM generate_series(%(begin)s::bigint, %(end)s::bigint, %(step)s) AS first))"
    )
    output_field = BooleanField()


def count_facets(events: EventQuerySet, zone: str) -> dict[str, Any]:
    """Counts of the events, with months as they are in the zone.

    `approximate` tells whether all numbers are estimates, from a sample.
    """
    try:
        counts = _counted(events.order_by()[: EXACT + 1], zone)
    except EmptyResultSet:  # nothing can match, and there is no SQL for that
        counts = {"total": {None: 0}, "category": {}, "month": {}, "location": {}}
    step = 1
    if counts["total"][None] > EXACT:
        ids: Any = Event.objects.aggregate(begin=Min("pk"), end=Max("pk"))
        step = max(1, (ids["end"] - ids["begin"] + 1) // SAMPLE)
        sampled = Q(_Sampled(F("pk"), step=step, **ids))
        counts = _counted(events.filter(sampled).order_by(), zone)
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


def _counted(events: Any, zone: str) -> dict[str, dict[str | None, int]]:
    rows = events.values_list("category_id", "start_time", "location")
    sql, params = rows.query.sql_with_params()
    counts: dict[str, dict[str | None, int]] = {
        "total": {}, "category": {}, "month": {}, "location": {},
    }  # fmt: skip
    with reading_connection().cursor() as cursor:
        cursor.execute(_COUNT.format(events=sql), [*params, zone, MOST_MONTHS, MOST_LOCATIONS])
        for kind, key, number in cursor.fetchall():
            counts[kind][key] = number
    return counts

"""How many events of a list there are by category, month and location.

Counting a million takes half a second. So a list of more than `EXACT` events is told from a sample,
the same one each time, and the numbers are near. Which events are sampled is decided by a number
that their ids give, and so is in which halves of the sample, halves of these and so on they are.
One index has that with all columns that facets and most filters need, another one with the texts.
How often the sample is halved depends on the list: the shorter that is, the less.
"""

from datetime import tzinfo
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db.models import Max, Min, Q
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThanOrEqual

from config.api.replica import reading_connection

from .models import Event, EventQuerySet
from .models.sample import MOST_HALVINGS, SIXTEEN, Halvings, IsLeftAfter, IsSampled

EXACT = 5_000
MOST_MONTHS = 120
MOST_LOCATIONS = 20

# So many events at least are looked at first; if fewer of them are in the list than the second,
# more are.
LOOKED_AT = 10_000
TOLD_FROM = 2_000

# The same where texts are asked for, which are in an index of their own: each event that has them
# is read.
READ = 3_000
TOLD_FROM_READ = 1_400

_COUNT = """
    WITH counted AS MATERIALIZED (
        SELECT grouping(category_id, month, location) AS counts, category_id, month, location,
            count(*) AS number
        FROM (
            SELECT category_id, date_trunc('month', start_time AT TIME ZONE %s) AS month, location
            FROM ({events}) AS listed
        ) AS found
        GROUP BY GROUPING SETS ((), (category_id), (month), (location))
    )
    SELECT 'total', NULL, NULL, number FROM counted WHERE counts = 7
    UNION ALL
    SELECT 'category', slug, name, number
    FROM counted LEFT JOIN events_category ON id = category_id WHERE counts = 3
    UNION ALL
    (SELECT 'month', to_char(month, 'YYYY-MM'), NULL, number
     FROM counted WHERE counts = 5 ORDER BY month LIMIT %s)
    UNION ALL
    (SELECT 'location', location, NULL, number
     FROM counted WHERE counts = 6 ORDER BY number DESC, location LIMIT %s)
"""


class _Counts(NamedTuple):
    """How many events there are; of each category (slug and name), month and location."""

    total: int
    categories: list[tuple[str | None, str | None, int]]
    months: list[tuple[str, int]]
    locations: list[tuple[str, int]]


_NONE = _Counts(0, [], [], [])


def count_facets(events: EventQuerySet, zone: tzinfo, *, by_texts: bool = False) -> dict[str, Any]:
    """Counts of the events, with months as they are in the zone.

    `by_texts` says that they are those with certain words, or a part of the name or location.
    `approximate` tells whether all numbers are estimates, from a sample.
    """
    counts, step = _NONE, 1
    ids: Any = Event.objects.aggregate(number=Coalesce(Max("pk") - Min("pk") + 1, 0))
    try:
        if ids["number"] > EXACT:
            counts, step = _estimated(events, zone, ids["number"], by_texts=by_texts)
        if counts.total * step <= EXACT:
            counts, step = _counted(events, zone), 1
    except EmptyResultSet:  # nothing can match, and there is no SQL for that
        pass
    return {
        "count": counts.total * step,
        "approximate": step > 1,
        "categories": [
            {"slug": slug, "name": name, "count": number * step}
            for slug, name, number in sorted(counts.categories, key=lambda c: (-c[-1], str(c[1])))
        ],
        "months": [{"month": month, "count": number * step} for month, number in counts.months],
        "locations": [
            {"location": location, "count": number * step} for location, number in counts.locations
        ],
    }


def _estimated(
    events: EventQuerySet, zone: tzinfo, number: int, *, by_texts: bool
) -> tuple[_Counts, int]:
    """Counts of a sample, and of how many events each one of it stands for."""
    looked_at, told_from = (READ, TOLD_FROM_READ) if by_texts else (LOOKED_AT, TOLD_FROM)
    search = events.narrowing.search if events.narrowing else None
    if search is not None:
        number = min(number, search.estimate())
    often = (number // SIXTEEN // looked_at).bit_length() - 1
    halvings = first = max(0, min(often, MOST_HALVINGS - 1))
    counts = _counted(_sampled(events, halvings, by_texts=by_texts), zone)
    if counts.total * SIXTEEN << first > EXACT:
        # The shorter the list, the larger the part that is needed to tell it from.
        while halvings and counts.total << (first - halvings) < told_from:
            halvings -= 1
        if halvings < first:
            counts = _counted(_sampled(events, halvings, by_texts=by_texts), zone)
    return counts, SIXTEEN << halvings


def _sampled(events: EventQuerySet, halvings: int, *, by_texts: bool) -> EventQuerySet:
    """The sample, or what is left of it when it is halved so often; always the same events."""
    sample = events.filter(Q(IsSampled()))
    if not halvings:
        return sample
    if by_texts:
        return sample.filter(Q(IsLeftAfter(halvings)))
    return sample.filter(GreaterThanOrEqual(Halvings(), halvings + 1))


def _counted(events: EventQuerySet, zone: tzinfo) -> _Counts:
    rows = events.order_by().values_list("category_id", "start_time", "location")
    sql, params = rows.query.sql_with_params()
    total, categories, months, locations = 0, [], [], []
    with reading_connection().cursor() as cursor:
        cursor.execute(_COUNT.format(events=sql), [str(zone), *params, MOST_MONTHS, MOST_LOCATIONS])
        for kind, key, name, number in cursor.fetchall():
            if kind == "total":
                total = number
            elif kind == "category":
                categories.append((key, name, number))
            elif kind == "month":
                months.append((key, number))
            else:
                locations.append((key, number))
    return _Counts(total, categories, months, locations)

"""The number of events of a list by category, month and location.

Counting a million events takes half a second. So the counts of a list of more than
`MAX_EXACT_COUNT` events are estimates from a sample. The sample is stable: a hash of the id decides
whether an event is sampled, and in which halves of the sample, quarters and so on it is. One index
has the sampled events with all columns that facets and most filters need; another one has their
texts. The shorter the list, the larger the part of the sample that is counted.

With 200,000 events, exact counts take six times as long. Without the index of texts, a long list
that is filtered by texts takes 1.4 times as long (docs/decisions/search.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db.models import Q
from django.db.models.lookups import GreaterThanOrEqual

from config.api.sql.compiled_queries import run_sql
from config.api.sql.replica import reading_connection
from config.api.sql.time_zones import zone_in_sql

from ..models import EventQuerySet
from ..models.expressions import Within
from ..models.sample import MAX_HALVINGS, SAMPLE_DIVISOR, Halvings, IsInReducedSample, IsSampled
from .page_planner import PagePlan
from .query import TsQueries

MAX_EXACT_COUNT = 5_000
MAX_MONTHS = 120
MAX_LOCATIONS = 20

# The first count reads at least this many sampled events. If fewer than `MIN_SAMPLE_MATCHES`
# of them are in the list, a larger part of the sample is counted.
SAMPLE_ROWS = 10_000
MIN_SAMPLE_MATCHES = 2_000

# The same for filters by text, whose index is separate: each matching event is read from the table.
TEXT_SAMPLE_ROWS = 2_500
MIN_TEXT_SAMPLE_MATCHES = 1_200

_ID_RANGE = "SELECT coalesce(max(id) - min(id) + 1, 0) FROM events_event"

_COUNT = """
    WITH counted AS MATERIALIZED (
        SELECT grouping(category_id, month, location) AS counts, category_id, month, location,
            count(*) AS number
        FROM (
            SELECT category_id, date_trunc('month', start_time AT TIME ZONE %s) AS month, location
            FROM ({events}) AS selected
        ) AS event
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
    """The number of events in total, by category (slug and name), month and location."""

    total: int = 0
    categories: Sequence[tuple[str | None, str | None, int]] = ()
    months: Sequence[tuple[str, int]] = ()
    locations: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class Facets:
    """The counts of the events of `plan`, with months in `zone`.

    `by_texts` says that the events are filtered by words or by a part of the name or location.
    """

    plan: PagePlan
    zone: tzinfo
    by_texts: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The response. `approximate` says whether all counts are estimates from a sample.

        Raises `InvalidTimezone` if the database lacks the zone.
        """
        with zone_in_sql(self.zone):
            counts, scale = self._counts()
            plan = self.plan if counts.total else self.plan.relaxed()
            if plan is not self.plan:
                counts, scale = replace(self, plan=plan)._counts()
        categories = sorted(counts.categories, key=lambda each: (-each[-1], str(each[1])))
        return {
            "count": counts.total * scale,
            "approximate": scale > 1,
            "categories": [
                {"slug": slug, "name": name, "count": number * scale}
                for slug, name, number in categories
            ],
            "months": [
                {"month": month, "count": number * scale} for month, number in counts.months
            ],
            "locations": [
                {"location": location, "count": number * scale}
                for location, number in counts.locations
            ],
        }

    def _counts(self) -> tuple[_Counts, int]:
        """The counts, and the number of events that each counted one stands for."""
        if self.plan.is_empty:
            return _Counts(), 1
        counts, scale = _Counts(), 1
        ((max_events,),) = run_sql(_ID_RANGE, [], reading_connection())
        try:
            if max_events > MAX_EXACT_COUNT:
                counts, scale = self._estimate(max_events)
            if counts.total * scale <= MAX_EXACT_COUNT:
                counts, scale = self._count(None), 1
        except EmptyResultSet:  # nothing can match, and there is no SQL for that
            pass
        return counts, scale

    def _estimate(self, max_events: int) -> tuple[_Counts, int]:
        """The same from a sample of at most `max_events` events."""
        sample_rows, min_matches = SAMPLE_ROWS, MIN_SAMPLE_MATCHES
        if self.by_texts:
            sample_rows, min_matches = TEXT_SAMPLE_ROWS, MIN_TEXT_SAMPLE_MATCHES
        if self.plan.search is not None:
            max_events = min(max_events, self.plan.search.estimate())
        most_halvings = (max_events // SAMPLE_DIVISOR // sample_rows).bit_length() - 1
        halvings = first = max(0, min(most_halvings, MAX_HALVINGS - 1))
        counts = self._count(halvings)
        if counts.total * SAMPLE_DIVISOR << first > MAX_EXACT_COUNT:
            # The shorter the list, the larger the part of the sample that an estimate needs.
            while halvings and counts.total << (first - halvings) < min_matches:
                halvings -= 1
            if halvings < first:
                counts = self._count(halvings)
        return counts, SAMPLE_DIVISOR << halvings

    def _count(self, halvings: int | None) -> _Counts:
        """Counts the sample after that many halvings. None counts all events."""

        def build(ts_queries: TsQueries, _: list[Any]) -> tuple[str, list[Any]]:
            return self._sql(halvings, ts_queries.indexed_condition())

        shape = ("facets", self.zone, halvings, self.by_texts)
        total, categories, months, locations = 0, [], [], []
        for kind, value, name, number in self.plan.fetch(shape, build):
            if kind == "total":
                total = number
            elif kind == "category":
                categories.append((value, name, number))
            elif kind == "month":
                months.append((value, number))
            else:
                locations.append((value, number))
        return _Counts(total, categories, months, locations)

    def _sql(self, halvings: int | None, text_condition: Q) -> tuple[str, list[Any]]:
        events, condition = self.plan.select()
        if halvings is not None:
            # `Within` is for the index of points alone, which also has the events that are not
            # sampled.
            children = [each for each in condition.children if not isinstance(each, Within)]
            condition = Q(*children, _connector=condition.connector, _negated=condition.negated)
        events = self._sampled(events.filter(condition & text_condition), halvings).order_by()
        rows = events.values_list("category_id", "start_time", "location")
        sql, parameters = rows.query.sql_with_params()
        limits = MAX_MONTHS, MAX_LOCATIONS
        return _COUNT.format(events=sql), [str(self.zone), *parameters, *limits]

    def _sampled(self, events: EventQuerySet, halvings: int | None) -> EventQuerySet:
        if halvings is None:
            return events
        sample = events.filter(Q(IsSampled()))
        if not halvings:
            return sample
        if self.by_texts:
            return sample.filter(Q(IsInReducedSample(halvings)))
        return sample.filter(GreaterThanOrEqual(Halvings(), halvings + 1))

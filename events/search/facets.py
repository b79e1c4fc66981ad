"""How many events of a list there are by category, month and location.

Counting a million takes half a second. So a list of more than `EXACT` events is told from a sample,
the same one each time, and the numbers are near. Which events are sampled is decided by a number
that their ids give, and so is in which halves of the sample, halves of these and so on they are.
One index has that with all columns that facets and most filters need, another one with the texts.
How often the sample is halved depends on the list: the shorter that is, the less.
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
from config.api.sql.statements import Statement

from ..models import EventQuerySet
from ..models.expressions import Within
from ..models.sample import MOST_HALVINGS, SIXTEEN, Halvings, IsLeftAfter, IsSampled
from .page_planner import PagePlan
from .query import TsQueries

EXACT = 5_000
MOST_MONTHS = 120
MOST_LOCATIONS = 20

# So many events at least are looked at first; if fewer of them are in the list than the second,
# more are.
LOOKED_AT = 10_000
RENDERED_FROM = 2_000

# The same where texts are asked for, which are in an index of their own: each event that has them
# is read.
READ = 2_500
RENDERED_FROM_READ = 1_200

_HOW_MANY = Statement("SELECT coalesce(max(id) - min(id) + 1, 0) FROM events_event")

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

    total: int = 0
    categories: Sequence[tuple[str | None, str | None, int]] = ()
    months: Sequence[tuple[str, int]] = ()
    locations: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class Facets:
    """Counts of the events, with months as they are in the zone.

    `by_texts` says that they are those with certain words, or a part of the name or location.
    """

    page_plan: PagePlan
    zone: tzinfo
    by_texts: bool = False

    def told(self) -> dict[str, Any]:
        """`approximate` tells whether all numbers are estimates, from a sample."""
        counts, step = self._found()
        page_plan = self.page_plan if counts.total else self.page_plan.loosened()
        if page_plan is not self.page_plan:
            counts, step = replace(self, page_plan=page_plan)._found()
        categories = sorted(counts.categories, key=lambda each: (-each[-1], str(each[1])))
        return {
            "count": counts.total * step,
            "approximate": step > 1,
            "categories": [
                {"slug": slug, "name": name, "count": number * step}
                for slug, name, number in categories
            ],
            "months": [{"month": month, "count": number * step} for month, number in counts.months],
            "locations": [
                {"location": location, "count": number * step}
                for location, number in counts.locations
            ],
        }

    def _found(self) -> tuple[_Counts, int]:
        """Counts, and how many events each one that was counted stands for."""
        if self.page_plan.finds_nothing:
            return _Counts(), 1
        counts, step = _Counts(), 1
        ((number,),) = run_sql(_HOW_MANY, [], reading_connection())
        try:
            if number > EXACT:
                counts, step = self._estimated(number)
            if counts.total * step <= EXACT:
                counts, step = self._counted(None), 1
        except EmptyResultSet:  # nothing can match, and there is no SQL for that
            pass
        return counts, step

    def _estimated(self, number: int) -> tuple[_Counts, int]:
        """The same from a sample of so many events."""
        looked_at, rendered_from = (
            (READ, RENDERED_FROM_READ) if self.by_texts else (LOOKED_AT, RENDERED_FROM)
        )
        if self.page_plan.search is not None:
            number = min(number, self.page_plan.search.estimate())
        often = (number // SIXTEEN // looked_at).bit_length() - 1
        halvings = first = max(0, min(often, MOST_HALVINGS - 1))
        counts = self._counted(halvings)
        if counts.total * SIXTEEN << first > EXACT:
            # The shorter the list, the larger the part that is needed to tell it from.
            while halvings and counts.total << (first - halvings) < rendered_from:
                halvings -= 1
            if halvings < first:
                counts = self._counted(halvings)
        return counts, SIXTEEN << halvings

    def _counted(self, halvings: int | None) -> _Counts:
        """Of what is left of the sample when it is halved so often; without a number of all."""

        def build(ts_queries: TsQueries, _: list[Any]) -> tuple[str, list[Any]]:
            return self._sql(halvings, ts_queries.indexed_condition())

        shape = ("facets", self.zone, halvings, self.by_texts)
        total, categories, months, locations = 0, [], [], []
        for kind, one, other, number in self.page_plan.fetch(shape, build):
            if kind == "total":
                total = number
            elif kind == "category":
                categories.append((one, other, number))
            elif kind == "month":
                months.append((one, number))
            else:
                locations.append((one, number))
        return _Counts(total, categories, months, locations)

    def _sql(self, halvings: int | None, words: Q) -> tuple[str, list[Any]]:
        events, condition = self.page_plan.make()
        if halvings is not None:
            # Said for the index of places alone, which would find all that are not sampled, too.
            said = [each for each in condition.children if not isinstance(each, Within)]
            condition = Q(*said, _connector=condition.connector, _negated=condition.negated)
        events = self._sampled(events.filter(condition & words), halvings).order_by()
        rows = events.values_list("category_id", "start_time", "location")
        sql, parameters = rows.query.sql_with_params()
        limits = MOST_MONTHS, MOST_LOCATIONS
        return _COUNT.format(events=sql), [str(self.zone), *parameters, *limits]

    def _sampled(self, events: EventQuerySet, halvings: int | None) -> EventQuerySet:
        """Always the same events."""
        if halvings is None:
            return events
        sample = events.filter(Q(IsSampled()))
        if not halvings:
            return sample
        if self.by_texts:
            return sample.filter(Q(IsLeftAfter(halvings)))
        return sample.filter(GreaterThanOrEqual(Halvings(), halvings + 1))

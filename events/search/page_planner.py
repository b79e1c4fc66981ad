"""Plans pages of events by filters that no ordered index answers: words, parts of names, distance.

There are two strategies for such a page. An index walk follows the ordering and tests each event;
it is fast when many events match. Gathering reads all matches from an index and sorts them; it is
fast when few match. The wrong strategy reads the whole table. PostgreSQL's planner chooses by
estimates, which are off by orders of magnitude for words that rarely occur together. So this module
chooses: a short walk first, then gathering. The SQL of both is in `page_sql`.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet

from config.api.pagination.keyset import Ordering
from config.api.sql.compiled_queries import fetch, fetch_by_sql

from .page_sql import (
    AnyOf,
    PageRequest,
    Position,
    Selection,
    Sql,
    gather,
    gather_levels,
    walk,
    walk_by_level,
)
from .query import ANYWHERE, LEVELS, Search, TsQueries
from .spelling import relax

if TYPE_CHECKING:
    from ..models import Event, EventQuerySet

# Events that a walk reads before gathering. The long walk follows a short walk that has yielded at
# least this share of a page.
MAX_WALKED = 2_000
MAX_WALKED_FAR = 8_000
MIN_WALKED_SHARE = 0.25

# Up to this many matches are gathered at once. So are the matches of a level that has at most
# `MAX_RARE_MATCHES` among the first `MAX_WALKED` events.
MAX_GATHERED = 5_000
MAX_RARE_MATCHES = 5

# Matches of each level that the first walk returns: the largest page and one row more.
MAX_LEVEL_ROWS = 101

_NO_TEXT = TsQueries(("",) * len(LEVELS), ("",) * len(LEVELS), "")
_SOONEST_FIRST = Ordering("start_time")
_BEST_FIRST = Ordering("start_time", leading="rank")


@dataclass(frozen=True)
class PagePlan:
    """A plan for the pages of the events that `select` returns and that match `search`.

    `is_rare` says that few events meet the condition at any time, such as the ongoing ones.
    `select` must depend on `cache_key` alone. The SQL is cached by that key; with None it is not
    cached. `is_empty` says that nothing matches, even with corrections.
    """

    select: Callable[[], Selection]
    search: Search | None = None
    is_rare: bool = False
    cache_key: Hashable = None
    is_empty: bool = False

    def queryset(self) -> "EventQuerySet":
        """All matches, with their `rank` if there is a search."""
        events, condition = self.select()
        matches = events.filter(condition)
        if self.search is not None:
            ts_queries = self.search.ts_queries
            matches = matches.annotate(rank=ts_queries.rank())
            matches = matches.filter(ts_queries.indexed_condition())
        matches.page_plan = self
        return matches

    @property
    def note(self) -> Any:
        """The corrections, for the cursors: new words must not change the later pages."""
        return self.search and self.search.corrections

    def finalized(self) -> "PagePlan":
        """The plan of every page: relaxed if nothing matches the search."""
        if self.search is None or self.search.is_final or self._has_match():
            return self
        return self.relaxed()

    def relaxed(self) -> "PagePlan":
        """The plan with corrections of known words, for a search without a match."""
        if self.search is None or self.search.is_final:
            return self
        search = relax(self.search)
        is_empty = search.corrections == self.search.corrections
        return replace(self, search=search, is_empty=is_empty)

    def page(
        self, ordering: Ordering, position: list[Any] | None, *, reverse: bool, limit: int
    ) -> list["Event"]:
        """At most `limit` events beyond the position, with the attributes of the ordering."""
        positions = self.positions(PageRequest(ordering, position, reverse, limit))
        *names, _ = ordering.attributes
        events = self.select().events.in_bulk([pk for *_, pk in positions])
        page = []
        for *values, pk in positions:
            event = events.get(pk)
            if event is not None:  # it may have been deleted since
                for name, value in zip(names, values, strict=True):
                    setattr(event, name, value)
                page.append(event)
        return page

    def rows(self, pks: list[int], columns: dict[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of those events that are still selected.

        A row is the id, the `chord` if distances are measured, and `columns` by their expressions.
        """

        def build(position: list[Any] | None) -> Any:
            (ids,) = position or [pks]
            events = self.select().events.filter(AnyOf(ids)).annotate(**columns)
            chord = [name for name in events.query.annotations if name == "chord"]
            return events.values_list("pk", *chord, *columns)

        if not pks:
            return []
        key = ("planned rows", self.cache_key, *columns)
        return fetch(key, build, [pks], prepare=self.cache_key == ())

    def positions(self, request: PageRequest) -> list[Position]:
        """The positions of the events of a page, in order."""
        if self.is_empty:
            return []
        if self.search is not None and request.ordering.leading:
            return self._ranked_positions(self.search, request)
        return self._positions(request)

    def _has_match(self) -> bool:
        if self._soonest_matches is None:
            return bool(self.positions(PageRequest(_SOONEST_FIRST, limit=1)))
        has_soon_match = any(self._soonest_matches.values())
        return has_soon_match or bool(self.positions(PageRequest(_BEST_FIRST, limit=1)))

    def _ranked_positions(self, search: Search, request: PageRequest) -> list[Position]:
        """The positions level by level, each level by time."""
        soonest = self._soonest_matches if request.is_first else None
        levels = [level for level in search.levels if not request.is_past(level)]
        rare_levels = [level for level in levels if self._is_rare_level(level, soonest)]
        gathered = rare_levels and self._gather_levels(request, max(rare_levels))
        if gathered is None:  # more than `MAX_GATHERED`
            rare_levels = []
        positions: list[Position] = []
        for level in sorted(levels, reverse=request.reverse):
            missing = request.limit - len(positions)
            if missing <= 0:
                break
            if level in rare_levels:
                positions += [row for row in gathered or () if row[0] == level][:missing]
                continue
            of_level = replace(request.of_level(level), limit=missing)
            if soonest is None:
                rows = self._positions(of_level, level)
            elif len(soonest[level]) >= missing:
                rows = soonest[level][:missing]
            else:
                rows = self._positions(of_level, level, walked_matches=len(soonest[level]))
            positions += [(level, *row) for row in rows]
        return positions

    def _is_rare_level(self, level: int, soonest: dict[int, list[Position]] | None) -> bool:
        """Whether the matches of this level and of better ones can be gathered."""
        if soonest is not None:
            matches = sum(len(soonest[better]) for better in range(level + 1))
            return matches <= MAX_RARE_MATCHES
        return self.is_rare or not self._may_be_common(level)

    def _may_be_common(self, level: int) -> bool:
        return self.search is None or self.search.estimate(level) > MAX_GATHERED

    def _positions(
        self, request: PageRequest, level: int | None = None, *, walked_matches: int | None = None
    ) -> list[Position]:
        """The positions of one level, or of all with None.

        `walked_matches` is the number of matches that a short walk yields, if it is known.
        """
        if not self.is_rare and self._may_be_common(ANYWHERE if level is None else level):
            rows: list[Position] = []
            if walked_matches is None:
                rows = self._fetch(walk, request, level, MAX_WALKED)
                walked_matches = len(rows)
            if request.limit * MIN_WALKED_SHARE <= walked_matches < request.limit:
                rows = self._fetch(walk, request, level, MAX_WALKED_FAR)
            if len(rows) >= request.limit:
                return rows
        return self._fetch(gather, request, level)

    def _gather_levels(self, request: PageRequest, level: int) -> list[Position] | None:
        """The positions of the level and of better ones. None if there are too many."""
        rows = self._fetch(gather_levels, request, level, MAX_GATHERED)
        return None if rows and rows[0][-1] > MAX_GATHERED else [row[:-1] for row in rows]

    @cached_property
    def _soonest_matches(self) -> dict[int, list[Position]] | None:
        """The matches among the soonest events, by level. None if the word counts suffice."""
        if self.search is None or self.is_rare or not self.search.has_unknown_count:
            return None
        if not self._may_be_common(ANYWHERE):
            return None
        matches: dict[int, list[Position]] = {level: [] for level in LEVELS}
        request = PageRequest(_SOONEST_FIRST, limit=MAX_LEVEL_ROWS)
        for level, *position in self._fetch(walk_by_level, request, MAX_WALKED):
            matches[level].append(tuple(position))
        return matches

    def _fetch(
        self, strategy: Callable[..., Sql], request: PageRequest, *numbers: int | None
    ) -> list[Position]:
        def build(ts_queries: TsQueries, position: list[Any]) -> Sql:
            positioned = replace(request, position=position or None)
            return strategy(self.select(), ts_queries, positioned, *numbers)

        try:
            return self.fetch((strategy, request.shape, numbers), build, request.position or [])
        except EmptyResultSet:  # nothing can match, and there is no SQL for that
            return []

    def fetch(
        self,
        shape: tuple[Any, ...],
        build: Callable[[TsQueries, list[Any]], Sql],
        position: Sequence[Any] = (),
    ) -> list[tuple[Any, ...]]:
        """Runs the SQL of `build`, compiled once for each `cache_key` and `shape`.

        `shape` has everything that the SQL depends on, except the words and the position. Raises
        `EmptyResultSet` if nothing can match.
        """
        ts_queries = self.search.ts_queries if self.search else _NO_TEXT
        has_text = tuple(map(bool, ts_queries.texts))

        def build_from_values(values: Sequence[Any]) -> Sql:
            texts = iter(values[len(position) :])
            queries = TsQueries.from_texts([next(texts) if each else "" for each in has_text])
            return build(queries, list(values[: len(position)]))

        key = None if self.cache_key is None else (self.cache_key, has_text, *shape)
        values = [*position, *filter(None, ts_queries.texts)]
        return fetch_by_sql(key, build_from_values, values)


class PlannedOrdering(Ordering):
    """An ordering of events whose pages are read by the queryset's plan, if it has one."""

    def page(
        self, queryset: Any, position: list[Any] | None, *, reverse: bool, limit: int
    ) -> list[Any]:
        page_plan: PagePlan | None = queryset.page_plan
        if page_plan is None:
            return super().page(queryset, position, reverse=reverse, limit=limit)
        return page_plan.page(self, position, reverse=reverse, limit=limit)

"""Plans pages of events by filters that no ordered index answers: words, parts of names, distance.

There are two strategies for such a page. An index walk follows the ordering and tests each event;
it is fast when many events match. Gathering reads all matches from an index and sorts them; it is
fast when few match. The wrong strategy reads the whole table. PostgreSQL's planner chooses by
estimates, which are off by orders of magnitude for words that rarely occur together. So this module
chooses: a short walk first, then gathering. The SQL of both is in `page_sql`.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models.expressions import Combinable

from config.api.pagination.keyset import Ordering
from config.api.sql.compiled_queries import NotCompilable, compiled_query, fetch_by_sql

from ..models import EventQuerySet
from .page_sql import (
    PageRequest,
    Position,
    Selection,
    Sql,
    gather,
    gather_levels,
    has_any_id,
    walk,
    walk_by_level,
)
from .query import ANYWHERE, LEVELS, Search, TsQueries
from .spelling import relax

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


# Expressions by the names of the columns that a page reads in place of events.
Columns = Mapping[str, Combinable]


@dataclass(frozen=True)
class PagePlan:
    """A plan for the pages of the events that `select` returns and that match `search`.

    `has_ordered_index` says that an index in the order of the list answers every filter. `is_rare`
    says that few events meet the condition at any time, such as the ongoing ones. `is_empty` says
    that nothing matches, even with corrections.

    `select` must depend on `cache_key` and the id of `viewer` alone, as the `build` of `fetch`. The
    SQL is cached by that key; with None it is not cached. With `is_prepared` the database caches
    its plans for the rows too.
    """

    select: Callable[[], Selection]
    search: Search | None = None
    has_ordered_index: bool = False
    is_rare: bool = False
    is_empty: bool = False
    cache_key: Hashable = None
    viewer: Any = None
    is_prepared: bool = False

    def matches(self) -> EventQuerySet:
        """All matches, in no order."""
        events, condition = self.select()
        if self.is_empty:
            return events.none()
        if self.search is not None:
            condition &= self.search.ts_queries.indexed_condition()
        return events.filter(condition)

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
        if self.search is None or self.search.is_final or self.is_empty:
            return self
        search = relax(self.search)
        is_empty = search.corrections == self.search.corrections
        return replace(self, search=search, is_empty=is_empty)

    def final_positions(self, request: PageRequest) -> tuple["PagePlan", list[Position]]:
        """The plan of every page, and the positions of the events of this page, in order."""
        if not request.is_first:
            # The cursor of a list without a search does not have the corrections.
            plan = self.finalized()
            return plan, plan.positions(request)
        positions = self.positions(request)
        plan = self if positions else self.relaxed()
        return plan, positions if plan is self else plan.positions(request)

    def rows(self, pks: Sequence[int], columns: Columns | None = None) -> list[Any]:
        """The events with these ids that are still selected, in the order of the ids.

        With `columns`, a row is a tuple: the id, the `chord` if distances are measured, and the
        values of the columns. Raises `NotCompilable` with columns if the SQL cannot be cached.
        """
        if not pks:
            return []

        def build(position: list[Any] | None) -> Any:
            (ids,) = position or [pks]
            events = self.select().events.filter(has_any_id(ids))
            if columns is None:
                return events
            chord = [name for name in events.query.annotations if name == "chord"]
            return events.annotate(**columns).values_list("pk", *chord, *columns)

        key = ("rows of positions", self.cache_key, *(columns or ()))
        fetched = self.fetch_rows(key, build, [list(pks)], needs_sql=columns is not None)
        rows = {row.pk if columns is None else row[0]: row for row in fetched}
        return [rows[pk] for pk in pks if pk in rows]

    def fetch_rows(
        self,
        key: Hashable,
        build: Callable[[list[Any] | None], Any],
        position: list[Any] | None,
        *,
        needs_sql: bool,
    ) -> list[Any]:
        """The rows of `build`, whose SQL is compiled once for each `key`.

        If the SQL cannot be cached, the ORM reads the rows, or `NotCompilable` is raised if
        `needs_sql`.
        """
        query = None
        if self.cache_key is not None:
            query = compiled_query(
                key, build, position, prepare=self.is_prepared, viewer=self.viewer
            )
        if query is not None:
            return query.run(position, self.viewer)
        if needs_sql:
            raise NotCompilable
        return list(build(position))

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
        return fetch_by_sql(key, build_from_values, values, viewer=self.viewer)

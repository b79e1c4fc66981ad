"""Pages of events by filters that no ordered index answers: words, parts of names, a place.

Two ways lead to such a page. Walking along the ordering, event by event, is quick when many match;
collecting all that match, from an index, and sorting them is quick when few do. Taken in the wrong
place, each reads the whole table. The planner chooses by estimates, which are off by orders of
magnitude for words that rarely meet, so we choose: walk a little, then collect. The SQL of both is
in `ways`.
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
    Listed,
    PageRequest,
    Place,
    Sql,
    collect,
    collect_few,
    look_around,
    walk,
)
from .query import ANYWHERE, LEVELS, Search, TsQueries, loosened

if TYPE_CHECKING:
    from ..models import Event, EventQuerySet

# So many events are walked past before collecting, and so many where a good part was found by then.
WALK = 2_000
WALK_ON = 8_000
GOOD_PART = 0.25

# Fewer matches than these are collected at once; as few as those among the first `WALK` events
# promise no more.
FEW = 5_000
FEW_SEEN = 5

# Of each level: a page at its largest, and one more.
MOST_SEEN = 101

_NO_WORDS = TsQueries(("",) * len(LEVELS), ("",) * len(LEVELS), "")
_SOONEST = Ordering("start_time")
_BEST = Ordering("start_time", leading="rank")


@dataclass(frozen=True)
class PagePlan:
    """The events that `make` lists, and what is looked for among them.

    `make` depends on nothing but `key`, which the SQL is kept by; None: it is not kept.
    """

    make: Callable[[], Listed]
    search: Search | None = None
    # However many events there are, few of them meet the condition at a time.
    is_rare: bool = False
    key: Hashable = None
    finds_nothing: bool = False

    def applied(self) -> "EventQuerySet":
        """The events that meet all, with their `rank`."""
        events, condition = self.make()
        found = events.filter(condition)
        if self.search is not None:
            ts_queries = self.search.ts_queries
            found = found.annotate(rank=ts_queries.rank()).filter(ts_queries.indexed_condition())
        found.page_plan = self
        return found

    @property
    def note(self) -> Any:
        """What later pages have to know, or the answer would change with other people's words."""
        return self.search and self.search.corrections

    def settled(self) -> "PagePlan":
        """As it stays for all pages: loosened where nothing is found."""
        if self.search is None or self.search.is_settled or self._has_any():
            return self
        return self.loosened()

    def loosened(self) -> "PagePlan":
        """With corrections of known words too, after nothing was found without."""
        if self.search is None or self.search.is_settled:
            return self
        search = loosened(self.search)
        finds_nothing = search.corrections == self.search.corrections
        return replace(self, search=search, finds_nothing=finds_nothing)

    def page(
        self, ordering: Ordering, place: list[Any] | None, *, reverse: bool, limit: int
    ) -> list["Event"]:
        """At most `limit` events beyond the place, with the attributes of the ordering."""
        places = self.places(PageRequest(ordering, place, reverse, limit))
        names = ordering.attributes
        events = self.make().events.in_bulk([found[-1] for found in places])
        page = []
        for found in places:
            event = events.get(found[-1])
            if event is not None:  # deleted just now
                for name, value in zip(names[:-1], found[:-1], strict=True):
                    setattr(event, name, value)
                page.append(event)
        return page

    def rows(self, pks: list[int], more: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Of those of the events that are still listed: the id, the `line` to them where it is
        measured, and columns by their expressions."""

        def build(place: list[Any] | None) -> Any:
            (wanted,) = place or [pks]
            events = self.make().events.filter(AnyOf(wanted)).annotate(**more)
            line = [name for name in events.query.annotations if name == "line"]
            return events.values_list("pk", *line, *more)

        if not pks:
            return []
        return fetch(("narrowed", self.key, *more), build, [pks], prepare=self.key == ())

    def places(self, asked: PageRequest) -> list[Place]:
        """Where in the ordering the events of a page are."""
        if self.finds_nothing:
            return []
        if self.search is not None and asked.ordering.leading:
            return self._ranked_places(self.search, asked)
        return self._places(asked)

    def _has_any(self) -> bool:
        if self._seen is None:
            return bool(self.places(PageRequest(_SOONEST, limit=1)))
        return any(self._seen.values()) or bool(self.places(PageRequest(_BEST, limit=1)))

    def _ranked_places(self, search: Search, asked: PageRequest) -> list[Place]:
        """Level after level, each by time."""
        seen = self._seen if asked.is_first else None
        left = [level for level in search.levels if not asked.is_past(level)]
        few = [level for level in left if self._are_few(level, seen)]
        collected = few and self._collect_few(asked, max(few))
        if collected is None:
            few = []  # they are many after all
        places: list[Place] = []
        for level in sorted(left, reverse=asked.reverse):
            missing = asked.limit - len(places)
            if missing <= 0:
                break
            if level in few:
                places += [place for place in collected or () if place[0] == level][:missing]
                continue
            of_level = replace(asked.of_level(level), limit=missing)
            if seen is None:
                found = self._places(of_level, level)
            elif len(seen[level]) >= missing:
                found = seen[level][:missing]
            else:
                found = self._places(of_level, level, seen=len(seen[level]))
            places += [(level, *place) for place in found]
        return places

    def _are_few(self, level: int, seen: dict[int, list[Place]] | None) -> bool:
        """Whether the events of this level and of better ones can all be collected."""
        if seen is not None:
            return sum(len(seen[better]) for better in range(level + 1)) <= FEW_SEEN
        return self.is_rare or not self._may_be_common(level)

    def _may_be_common(self, level: int) -> bool:
        return self.search is None or self.search.estimate(level) > FEW

    def _places(
        self, asked: PageRequest, level: int | None = None, *, seen: int | None = None
    ) -> list[Place]:
        """Of one level; of all where none is said. `seen` is how many a walk would find."""
        if not self.is_rare and self._may_be_common(ANYWHERE if level is None else level):
            found: list[Place] = []
            if seen is None:
                found = self._fetch(walk, asked, level, WALK)
                seen = len(found)
            if asked.limit * GOOD_PART <= seen < asked.limit:
                found = self._fetch(walk, asked, level, WALK_ON)
            if len(found) >= asked.limit:
                return found
        return self._fetch(collect, asked, level)

    def _collect_few(self, asked: PageRequest, level: int) -> list[Place] | None:
        """Of the level and of better ones. None when they are not few."""
        rows = self._fetch(collect_few, asked, level, FEW)
        return None if rows and rows[0][-1] > FEW else [row[:-1] for row in rows]

    @cached_property
    def _seen(self) -> dict[int, list[Place]] | None:
        """What is among the soonest, by level; None where counts of words say how much there is."""
        if self.search is None or self.is_rare or not self.search.is_joint:
            return None
        if not self._may_be_common(ANYWHERE):
            return None
        seen: dict[int, list[Place]] = {level: [] for level in LEVELS}
        for level, *place in self._fetch(look_around, PageRequest(_SOONEST, limit=MOST_SEEN), WALK):
            seen[level].append(tuple(place))
        return seen

    def _fetch(
        self, way: Callable[..., Sql], asked: PageRequest, *numbers: int | None
    ) -> list[Place]:
        def build(ts_queries: TsQueries, place: list[Any]) -> Sql:
            return way(self.make(), ts_queries, replace(asked, place=place or None), *numbers)

        try:
            return self.fetch((way, asked.shape, numbers), build, asked.place or [])
        except EmptyResultSet:  # nothing can match, and there is no SQL for that
            return []

    def fetch(
        self,
        shape: tuple[Any, ...],
        build: Callable[[TsQueries, list[Any]], Sql],
        place: Sequence[Any] = (),
    ) -> list[tuple[Any, ...]]:
        """What the SQL of `build` yields, kept by `shape` and all else that it is made from but
        words and place. Raises `EmptyResultSet` where nothing can match."""
        ts_queries = self.search.ts_queries if self.search else _NO_WORDS
        said = tuple(map(bool, ts_queries.texts))

        def with_values(values: Sequence[Any]) -> Sql:
            texts = iter(values[len(place) :])
            words = TsQueries.of([next(texts) if is_said else "" for is_said in said])
            return build(words, list(values[: len(place)]))

        key = None if self.key is None else (self.key, said, *shape)
        return fetch_by_sql(key, with_values, [*place, *filter(None, ts_queries.texts)])


class PlannedOrdering(Ordering):
    """An ordering of events that takes the quicker way to their pages."""

    def page(
        self, queryset: Any, place: list[Any] | None, *, reverse: bool, limit: int
    ) -> list[Any]:
        page_plan: PagePlan | None = queryset.page_plan
        if page_plan is None:
            return super().page(queryset, place, reverse=reverse, limit=limit)
        return page_plan.page(self, place, reverse=reverse, limit=limit)

"""Pages of events by filters that no ordered index answers: words, parts of names, a place.

Two ways lead to such a page. Walking along the ordering, event by event, is quick when many match;
collecting all that match, from an index, and sorting them is quick when few do. Taken in the wrong
place, each reads the whole table. The planner chooses by estimates, which are off by orders of
magnitude for words that rarely meet, so we choose: walk a little, then collect.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import Q

from config.api.keyset import Ordering

from .search import Search

if TYPE_CHECKING:
    from .models import Event, EventQuerySet

# What is walked past before collecting; fewer matches than the second are collected at once.
WALK = 2_000
FEW = 5_000

# What the conditions read.
_COLUMNS = ("search_vector", "name", "location", "latitude", "longitude", "category_id")


@dataclass(frozen=True)
class Narrowing:
    """`events` by filters that ordered indexes answer, and the condition of the others."""

    events: "EventQuerySet"
    condition: Q
    search: Search | None = None
    # However many events there are, few of them meet the condition at a time.
    is_rare: bool = False

    def applied(self) -> "EventQuerySet":
        """The events that meet all, with their `rank`."""
        found = self.events.filter(self.condition)
        if self.search is not None:
            found = found.annotate(rank=self.search.rank()).filter(self.search.indexed_condition())
        found.narrowing = self
        return found

    @property
    def note(self) -> Any:
        """What later pages have to know, or the answer would change with other people's words."""
        return self.search and self.search.corrections

    def has_any(self) -> bool:
        return bool(self.keys(Ordering("start_time"), None, reverse=False, limit=1))

    def page(
        self, ordering: Ordering, place: list[Any] | None, *, reverse: bool, limit: int
    ) -> list["Event"]:
        """At most `limit` events beyond the place, with the attributes of the ordering."""
        if self.search is None or not ordering.leading:
            keys = self.keys(ordering, place, reverse=reverse, limit=limit)
        else:
            keys = self._ranked_keys(self.search, ordering, place, reverse=reverse, limit=limit)
        names = ordering.attributes
        events = self.events.in_bulk([key[-1] for key in keys])
        page = []
        for key in keys:
            event = events.get(key[-1])
            if event is not None:  # deleted just now
                for name, value in zip(names[:-1], key[:-1], strict=True):
                    setattr(event, name, value)
                page.append(event)
        return page

    def _ranked_keys(
        self,
        search: Search,
        ordering: Ordering,
        place: list[Any] | None,
        *,
        reverse: bool,
        limit: int,
    ) -> list[tuple[Any, ...]]:
        """Level after level, each by time."""
        if search.estimate() <= FEW:
            found = self.events.annotate(rank=search.rank()).filter(
                self.condition, search.indexed_condition()
            )
            return _collect(found, ordering, place, reverse=reverse, limit=limit)
        by_time = replace(ordering, leading="")
        keys: list[tuple[Any, ...]] = []
        for level in sorted(search.levels, reverse=reverse):
            begins_here = place is not None and place[0] == level
            is_past = place is not None and (level > place[0] if reverse else level < place[0])
            if is_past or len(keys) >= limit:
                continue
            found_keys = self.keys(
                by_time,
                place[1:] if place is not None and begins_here else None,
                reverse=reverse,
                limit=limit - len(keys),
                level=level,
                only=search.beyond(level),
            )
            keys += [(level, *key) for key in found_keys]
        return keys

    def keys(
        self,
        ordering: Ordering,
        place: list[Any] | None,
        *,
        reverse: bool,
        limit: int,
        level: int | None = None,
        only: Q | None = None,
    ) -> list[tuple[Any, ...]]:
        """The places of at most `limit` events."""
        level = self.search.levels[-1] if self.search and level is None else level
        condition = indexed = self.condition & (only or Q())
        if self.search is not None and level is not None:
            condition = condition & self.search.condition(level)
            indexed = indexed & self.search.indexed_condition(level)
        if not self.is_rare and self._may_be_common(level):
            keys = _walk(self.events, condition, ordering, place, reverse=reverse, limit=limit)
            if len(keys) >= limit:
                return keys
        found = self.events.filter(indexed)
        return _collect(found, ordering, place, reverse=reverse, limit=limit)

    def _may_be_common(self, level: int | None) -> bool:
        return self.search is None or level is None or self.search.estimate(level) > FEW


class NarrowedOrdering(Ordering):
    """An ordering of events that takes the quicker way to their pages."""

    def page(
        self, queryset: Any, place: list[Any] | None, *, reverse: bool, limit: int
    ) -> list[Any]:
        narrowing: Narrowing | None = queryset.narrowing
        if narrowing is None:
            return super().page(queryset, place, reverse=reverse, limit=limit)
        return narrowing.page(self, place, reverse=reverse, limit=limit)


def _columns(ordering: Ordering) -> list[str]:
    return ["id" if name == "pk" else name for name in ordering.attributes]


def _order(ordering: Ordering, *, reverse: bool) -> str:
    direction = "DESC" if ordering.descending != reverse else "ASC"
    return ", ".join(f'"{name}" {direction}' for name in _columns(ordering))


def _collect(
    events: "EventQuerySet",
    ordering: Ordering,
    place: list[Any] | None,
    *,
    reverse: bool,
    limit: int,
) -> list[tuple[Any, ...]]:
    """All that match, then sorted. Materialized, or the planner would walk for the limit's sake."""
    rows = ordering.query(events, place, reverse=reverse).order_by()
    try:
        sql, params = rows.values_list(*_columns(ordering)).query.sql_with_params()
    except EmptyResultSet:
        return []
    return _run(
        events,
        f"WITH found AS MATERIALIZED ({sql}) SELECT * FROM found"  # noqa: S608  # nosec
        f" ORDER BY {_order(ordering, reverse=reverse)} LIMIT %s",
        (*params, limit),
    )


def _walk(
    events: "EventQuerySet",
    condition: Q,
    ordering: Ordering,
    place: list[Any] | None,
    *,
    reverse: bool,
    limit: int,
) -> list[tuple[Any, ...]]:
    """What matches among the next `WALK` events; stops as soon as there are enough."""
    columns = _columns(ordering)
    read = dict.fromkeys((*columns, *_COLUMNS))
    rows = ordering.query(events, place, reverse=reverse).values_list(*read)[:WALK]
    query = events.model.objects.filter(condition).query
    compiler = query.get_compiler(events.db)
    compiler.pre_sql_setup()
    try:
        sql, params = rows.query.sql_with_params()
        where, where_params = compiler.compile(query.where)
    except EmptyResultSet:
        return []
    wanted = ", ".join(f'"{name}"' for name in columns)
    return _run(
        events,
        f'SELECT {wanted} FROM ({sql}) AS "events_event" WHERE {where}'  # noqa: S608  # nosec
        f" ORDER BY {_order(ordering, reverse=reverse)} LIMIT %s",
        (*params, *where_params, limit),
    )


def _run(events: "EventQuerySet", sql: str, params: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    with connections[events.db].cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

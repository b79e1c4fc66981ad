"""The SQL of the strategies for a page of events: an index walk, and gathering all matches.

Each function selects the events of a `Selection` that match the text search. A `level` selects the
matches of that level alone; None selects the matches of every level.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import FullResultSet
from django.db import DEFAULT_DB_ALIAS
from django.db.models import BigIntegerField, F, Q, Value
from django.db.models.expressions import Combinable

from config.api.pagination.keyset import Ordering

from ..models import Event, EventQuerySet
from ..models.expressions import AnyOf
from .query import TsQueries

# The sort key of a row: the attributes of its ordering, the id last.
Position = tuple[Any, ...]
Sql = tuple[str, Iterable[Any]]

# Everything that the conditions read.
_CONDITION_COLUMNS = ("search_vector", "name", "location", "latitude", "longitude", "category_id")


def has_any_id(pks: list[int]) -> AnyOf:
    """Whether the id is in a list."""
    return AnyOf(F("pk"), Value(pks, output_field=ArrayField(BigIntegerField())))


class Selection(NamedTuple):
    """Events by filters that ordered indexes answer, and the condition of the other filters."""

    events: EventQuerySet
    condition: Q = Q()


@dataclass(frozen=True)
class PageRequest:
    """A request for at most `limit` rows beyond a position. None is the start of the ordering."""

    ordering: Ordering
    position: list[Any] | None = None
    reverse: bool = False
    limit: int = 1

    @property
    def is_first(self) -> bool:
        return self.position is None and not self.reverse

    @property
    def shape(self) -> tuple[Any, ...]:
        """Everything that the SQL depends on, without the values of the position."""
        names = tuple(self.ordering.attributes)
        types = tuple(map(type, self.position or ()))
        return names, self.ordering.descending, self.reverse, self.limit, types

    def is_past(self, level: int) -> bool:
        """Whether every row of the level is before the position, in the order of levels."""
        if self.position is None:
            return False
        return bool(level > self.position[0] if self.reverse else level < self.position[0])

    def of_level(self, level: int) -> "PageRequest":
        """The same request within one level."""
        begins_here = self.position is not None and self.position[0] == level
        position = self.position[1:] if self.position is not None and begins_here else None
        return replace(self, ordering=replace(self.ordering, leading=""), position=position)

    def rows(self, events: EventQuerySet) -> EventQuerySet:
        rows: Any = self.ordering.query(events, self.position, reverse=self.reverse)
        return rows  # type: ignore[no-any-return]

    @property
    def columns(self) -> list[str]:
        return ["id" if name == "pk" else name for name in self.ordering.attributes]

    @property
    def sorting(self) -> str:
        direction = "DESC" if self.ordering.descending != self.reverse else "ASC"
        return ", ".join(f'"{name}" {direction}' for name in self.columns)


def walk(
    selection: Selection,
    ts_queries: TsQueries,
    request: PageRequest,
    level: int | None,
    max_walked: int,
) -> Sql:
    """The matches among the next `max_walked` events, read until the limit is reached."""
    condition = selection.condition
    if level is None:
        condition &= ts_queries.condition()
    else:
        condition &= ts_queries.condition(level) & ts_queries.beyond_better_levels(level)
    columns = ", ".join(f'"{name}"' for name in request.columns)
    sql, parameters = _next_events(selection, request, max_walked)
    where, where_parameters = _where(condition)
    rows = f"SELECT {columns} FROM {sql} WHERE {where}"  # noqa: S608  # nosec
    page = f"{rows} ORDER BY {request.sorting} LIMIT {request.limit}"
    return page, (*parameters, *where_parameters)


def walk_by_level(
    selection: Selection, ts_queries: TsQueries, request: PageRequest, max_walked: int
) -> Sql:
    """The matches among the next `max_walked` events, at most `request.limit` of each level.

    The columns are the level and those of the request.
    """
    columns = ", ".join(f'"{name}"' for name in request.columns)
    sql, parameters = _next_events(selection, request, max_walked)
    where, where_parameters = _where(selection.condition & ts_queries.condition())
    rank, rank_parameters = _expression(ts_queries.rank())
    return (
        f"""
        WITH matches AS (SELECT {rank} AS rank, {columns} FROM {sql} WHERE {where})
        SELECT rank, {columns} FROM (
            SELECT *, row_number() OVER (PARTITION BY rank ORDER BY {request.sorting}) AS nth
            FROM matches
        ) AS matches WHERE nth <= {request.limit} ORDER BY rank, nth
        """,  # noqa: S608  # nosec
        (*rank_parameters, *parameters, *where_parameters),
    )


def gather(
    selection: Selection, ts_queries: TsQueries, request: PageRequest, level: int | None
) -> Sql:
    """All matches, then sorted. Materialized: for the limit's sake the planner would walk."""
    condition = selection.condition
    if level is None:
        condition &= ts_queries.indexed_condition()
    else:
        condition &= ts_queries.indexed_condition(level) & ts_queries.beyond_better_levels(level)
    sql, parameters = _matches(selection.events.filter(condition), request)
    rows = f"WITH matches AS MATERIALIZED ({sql}) SELECT * FROM matches"  # noqa: S608  # nosec
    return f"{rows} ORDER BY {request.sorting} LIMIT {request.limit}", parameters


def gather_levels(
    selection: Selection,
    ts_queries: TsQueries,
    request: PageRequest,
    level: int,
    max_gathered: int,
) -> Sql:
    """The matches of the level and of better ones, by rank.

    The last column is the number of matches. At most `max_gathered + 1` are read.
    """
    condition = selection.condition & ts_queries.indexed_condition(level)
    events = selection.events.annotate(rank=ts_queries.rank()).filter(condition)
    sql, parameters = _matches(events, request)
    return (
        f"""
        WITH matches AS MATERIALIZED ({sql}),
            gathered AS (SELECT * FROM matches LIMIT {max_gathered + 1})
        SELECT *, count(*) OVER () FROM gathered ORDER BY {request.sorting} LIMIT {request.limit}
        """,  # noqa: S608  # nosec
        parameters,
    )


def _matches(events: EventQuerySet, request: PageRequest) -> Sql:
    rows = request.rows(events).order_by()
    sql, parameters = rows.values_list(*request.columns).query.sql_with_params()
    return sql, parameters


def _next_events(selection: Selection, request: PageRequest, limit: int) -> Sql:
    """The next events with every column that conditions read, under the name of their table.

    Before version 17, PostgreSQL sorts all events rather than those of one distance by their ids.
    So the index orders by distance alone, and all events of the last distance are included.
    """
    columns = dict.fromkeys((*request.columns, *_CONDITION_COLUMNS))
    rows = request.rows(selection.events).values_list(*columns)
    if request.ordering.index_has_id:
        sql, parameters = rows[:limit].query.sql_with_params()
    else:
        sql, parameters = rows.order_by(rows.query.order_by[0]).query.sql_with_params()
        sql += f" FETCH FIRST {limit} ROWS WITH TIES"
    return f'({sql}) AS "events_event"', parameters


def _where(condition: Q) -> Sql:
    query = Event.objects.filter(condition).query
    compiler = query.get_compiler(DEFAULT_DB_ALIAS)
    compiler.pre_sql_setup()
    try:
        sql, parameters = compiler.compile(query.where)
    except FullResultSet:
        return "true", ()
    return sql, parameters


def _expression(expression: Combinable) -> Sql:
    query = Event.objects.annotate(value=expression).query
    compiler = query.get_compiler(DEFAULT_DB_ALIAS)
    compiler.pre_sql_setup()
    sql, parameters = compiler.compile(query.annotations["value"])
    return sql, parameters

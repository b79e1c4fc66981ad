"""The SQL of the ways to a page of events: walking along its ordering, and collecting what matches.

Each function tells of the events `listed` those that have the words, `level` being None for all
that have them anywhere, and a number for those whose words are there and not in a better place.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import FullResultSet
from django.db import DEFAULT_DB_ALIAS
from django.db.models import BigIntegerField, BooleanField, F, Func, Q, Value
from django.db.models.expressions import Combinable

from config.api.pagination.keyset import Ordering

from ..models import Event, EventQuerySet
from .query import TsQueries

Place = tuple[Any, ...]
Sql = tuple[str, Iterable[Any]]

# What the conditions read.
_COLUMNS = ("search_vector", "name", "location", "latitude", "longitude", "category_id")


class AnyOf(Func):
    """Whether an id is among those given, however many these are."""

    template = "(%(expressions)s))"
    arg_joiner = " = ANY ("
    output_field = BooleanField()

    def __init__(self, pks: list[int]) -> None:
        super().__init__(F("pk"), Value(pks, output_field=ArrayField(BigIntegerField())))


class Listed(NamedTuple):
    """Events by filters that ordered indexes answer, and the condition of the other filters."""

    events: EventQuerySet
    condition: Q = Q()


@dataclass(frozen=True)
class PageRequest:
    """At most `limit` places beyond one of them, or from the start."""

    ordering: Ordering
    place: list[Any] | None = None
    reverse: bool = False
    limit: int = 1

    @property
    def is_first(self) -> bool:
        return self.place is None and not self.reverse

    @property
    def shape(self) -> tuple[Any, ...]:
        """All but the place itself."""
        names = tuple(self.ordering.attributes)
        types = tuple(map(type, self.place or ()))
        return names, self.ordering.descending, self.reverse, self.limit, types

    def is_past(self, level: int) -> bool:
        """Whether a page in the order of levels has nothing of this one any more."""
        if self.place is None:
            return False
        return bool(level > self.place[0] if self.reverse else level < self.place[0])

    def of_level(self, level: int) -> "PageRequest":
        """The same in one level."""
        begins_here = self.place is not None and self.place[0] == level
        place = self.place[1:] if self.place is not None and begins_here else None
        return replace(self, ordering=replace(self.ordering, leading=""), place=place)

    def rows(self, events: EventQuerySet) -> EventQuerySet:
        rows: Any = self.ordering.query(events, self.place, reverse=self.reverse)
        return rows  # type: ignore[no-any-return]

    @property
    def columns(self) -> list[str]:
        return ["id" if name == "pk" else name for name in self.ordering.attributes]

    @property
    def sorting(self) -> str:
        direction = "DESC" if self.ordering.descending != self.reverse else "ASC"
        return ", ".join(f'"{name}" {direction}' for name in self.columns)


def walk(
    listed: Listed, ts_queries: TsQueries, asked: PageRequest, level: int | None, most: int
) -> Sql:
    """What matches among the next `most` events; stops as soon as there are enough."""
    condition = listed.condition
    if level is None:
        condition &= ts_queries.condition()
    else:
        condition &= ts_queries.condition(level) & ts_queries.beyond(level)
    wanted = ", ".join(f'"{name}"' for name in asked.columns)
    sql, parameters = _next(listed, asked, most)
    where, more = _where(condition)
    found = f"SELECT {wanted} FROM {sql} WHERE {where}"  # noqa: S608  # nosec
    return f"{found} ORDER BY {asked.sorting} LIMIT {asked.limit}", (*parameters, *more)


def look_around(listed: Listed, ts_queries: TsQueries, asked: PageRequest, most: int) -> Sql:
    """What matches among the next `most` events, by level: of each so many as are asked for."""
    columns = ", ".join(f'"{name}"' for name in asked.columns)
    sql, parameters = _next(listed, asked, most)
    where, more = _where(listed.condition & ts_queries.condition())
    rank, of_rank = _expression(ts_queries.rank())
    return (
        f"""
        WITH found AS (SELECT {rank} AS rank, {columns} FROM {sql} WHERE {where})
        SELECT rank, {columns} FROM (
            SELECT *, row_number() OVER (PARTITION BY rank ORDER BY {asked.sorting}) AS nth
            FROM found
        ) AS found WHERE nth <= {asked.limit} ORDER BY rank, nth
        """,  # noqa: S608  # nosec
        (*of_rank, *parameters, *more),
    )


def collect(listed: Listed, ts_queries: TsQueries, asked: PageRequest, level: int | None) -> Sql:
    """All that match, then sorted. Materialized, or the planner would walk for the limit's sake."""
    condition = listed.condition
    if level is None:
        condition &= ts_queries.indexed_condition()
    else:
        condition &= ts_queries.indexed_condition(level) & ts_queries.beyond(level)
    sql, parameters = _matching(listed.events.filter(condition), asked)
    found = f"WITH found AS MATERIALIZED ({sql}) SELECT * FROM found"  # noqa: S608  # nosec
    return f"{found} ORDER BY {asked.sorting} LIMIT {asked.limit}", parameters


def collect_few(
    listed: Listed, ts_queries: TsQueries, asked: PageRequest, level: int, most: int
) -> Sql:
    """The same of the level and of better ones, by rank. How many there are is the last column;
    above `most` the rest is not looked for.
    """
    condition = listed.condition & ts_queries.indexed_condition(level)
    events = listed.events.annotate(rank=ts_queries.rank()).filter(condition)
    sql, parameters = _matching(events, asked)
    return (
        f"""
        WITH found AS MATERIALIZED ({sql}), few AS (SELECT * FROM found LIMIT {most + 1})
        SELECT *, count(*) OVER () FROM few ORDER BY {asked.sorting} LIMIT {asked.limit}
        """,  # noqa: S608  # nosec
        parameters,
    )


def _matching(events: EventQuerySet, asked: PageRequest) -> Sql:
    rows = asked.rows(events).order_by()
    sql, parameters = rows.values_list(*asked.columns).query.sql_with_params()
    return sql, parameters


def _next(listed: Listed, asked: PageRequest, most: int) -> Sql:
    """The next events with all that conditions read, under the name of their table."""
    read = dict.fromkeys((*asked.columns, *_COLUMNS))
    rows = asked.rows(listed.events).values_list(*read)[:most]
    sql, parameters = rows.query.sql_with_params()
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
    query = Event.objects.annotate(told=expression).query
    compiler = query.get_compiler(DEFAULT_DB_ALIAS)
    compiler.pre_sql_setup()
    sql, parameters = compiler.compile(query.annotations["told"])
    return sql, parameters

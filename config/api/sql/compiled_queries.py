"""Queries of lists, built once and run often.

To build the query of a page (filters, orderings, the ORM's SQL) takes Python many times longer than
it takes the database to answer it, and so do the ORM's rows. So a list's query is defined as ever,
by a QuerySet; what comes out of it is kept under all that went into it: the SQL, where in its
parameters the current time and the cursor's place belong, and how its columns become rows.
"""

import re
import secrets
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import mogrify
from django.db.models import QuerySet
from django.db.models.base import ModelState
from django.db.models.query import ModelIterable, ValuesListIterable
from django.utils import timezone
from psycopg.sql import Literal

from .replica import reading_connection
from .statements import Statement

_MOST_KEPT = 1000

# What stands for the cursor's place while a query is built; `_place_marks` numbers its parts. Drawn
# by lot, or a client could send a filter's value that is taken for a part of the place.
_LOT = secrets.randbits(48)
_MARK_OF_A_TEXT = f"\ue000place {_LOT} "
_MARKS: dict[type, Callable[[int], Any]] = {
    int: lambda part: (_LOT << 8) + part,
    float: lambda part: _LOT + part + 0.125,
    str: lambda part: f"{_MARK_OF_A_TEXT}{part}\ue000",
    UUID: lambda part: UUID(int=(_LOT << 80) + part),
    datetime: lambda part: datetime(1583, 1, 1, tzinfo=UTC) + timedelta(part, microseconds=_LOT),
    list: lambda part: [(_LOT << 8) + part],  # of ids
}

Place = list[Any] | None


class CurrentInstant(datetime):
    """The current time as a parameter of a query, told from other times when the query is kept."""


def current_instant() -> datetime:
    """`timezone.now()` for the conditions of a QuerySet."""
    now = timezone.now()
    return CurrentInstant.combine(now.date(), now.timetz())


class CompiledStatement:
    """SQL that is built once, for any values of its places and any time.

    `marks` stand for those values among its parameters; of texts some may be missing there.
    """

    def __init__(
        self, sql: str, parameters: Iterable[Any], marks: list[Any], *, prepare: bool = False
    ) -> None:
        if prepare:
            sql, parameters = _with_words_in_it(sql, parameters)
        self.statement = Statement(sql)
        self.parameters = list(parameters)
        self.prepare = prepare
        self.places = [
            (position, marks.index(value))
            for position, value in enumerate(self.parameters)
            if value in marks
        ]
        self.instants = [
            position
            for position, value in enumerate(self.parameters)
            if isinstance(value, CurrentInstant)
        ]
        found = {part for _, part in self.places}
        if any(part not in found for part, mark in enumerate(marks) if not isinstance(mark, str)):
            raise NotCompilable
        others = [value for value in self.parameters if value not in marks]
        if any(_looks_current(value) or _is_marked(value) for value in others):
            raise NotCompilable

    def run(self, values: Sequence[Any], database: BaseDatabaseWrapper) -> list[tuple[Any, ...]]:
        parameters = self.parameters.copy()
        for position, part in self.places:
            parameters[position] = values[part]
        if self.instants:
            now = timezone.now()
            for position in self.instants:
                parameters[position] = now
        return run_sql(self.statement, parameters, database, prepare=self.prepare)


class CompiledQuery:
    """One query of a list, for any place of its cursor and any time.

    `build` gets a place (None: from the start) and returns the QuerySet. Raises `NotCompilable`.
    Rows are the model's; tuples as the driver reads them where the QuerySet is a `values_list`.
    """

    def __init__(
        self, build: Callable[[Place], QuerySet[Any]], place: Place, *, prepare: bool = False
    ) -> None:
        marks = None if place is None else _place_marks(place)
        queryset = build(marks)
        self.model = queryset.model
        compiler = queryset.query.get_compiler(queryset.db)
        try:
            sql, parameters = compiler.as_sql()
        except EmptyResultSet:  # nothing can match: there is no query to keep
            raise NotCompilable from None
        self.statement = CompiledStatement(sql, parameters, marks or [], prepare=prepare)
        self.row = _row_maker(queryset, compiler)

    def run(self, place: Place) -> list[Any]:
        alias = router.db_for_read(self.model)
        found = self.statement.run(place or [], connections[alias])
        return [self.row(columns, alias) for columns in found] if self.row else found


class NotCompilable(Exception):
    """The query has something that only the ORM can do; it is run by the ORM."""


def fetch(
    key: Hashable,
    build: Callable[[Place], QuerySet[Any]],
    place: Place,
    *,
    prepare: bool = False,
) -> list[Any]:
    """The rows of `build(place)`, by the query kept under `key`, which is all that it depends on.

    `prepare` has the database keep its plan too: for queries whose plan depends on no number or
    time, and whose texts are none that a client has sent.
    """
    query = compiled_query(key, build, place, prepare=prepare)
    return list(build(place)) if query is None else query.run(place)


def compiled_query(
    key: Hashable, build: Callable[[Place], QuerySet[Any]], place: Place, *, prepare: bool = False
) -> CompiledQuery | None:
    """None where only the ORM can run it."""
    kept: CompiledQuery | None = _keep(key, lambda: CompiledQuery(build, place, prepare=prepare))
    return kept


def fetch_by_sql(
    key: Hashable,
    build: Callable[[Sequence[Any]], tuple[str, Iterable[Any]]],
    values: Sequence[Any],
) -> list[tuple[Any, ...]]:
    """What the SQL yields that `build` gives with its parameters, kept as in `fetch`.

    With the key None it is not kept. Raises `EmptyResultSet` where `build` does.
    """

    def make() -> CompiledStatement:
        marks = _place_marks(values)
        return CompiledStatement(*build(marks), marks)

    kept = None if key is None else _keep(key, make)
    if kept is not None:
        found: list[tuple[Any, ...]] = kept.run(values, reading_connection())
        return found
    sql, parameters = build(values)
    return run_sql(Statement(sql), list(parameters), reading_connection())


def run_sql(
    statement: Statement,
    parameters: list[Any],
    database: BaseDatabaseWrapper,
    *,
    prepare: bool = False,
) -> list[tuple[Any, ...]]:
    database.ensure_connection()
    if database.queries_logged:  # as Django's own cursor does
        said = mogrify(statement.sql.decode(), parameters, database.connection)
        database.queries_log.append({"sql": said, "time": "0"})
    with database.wrap_database_errors:
        return statement.run(database.connection, parameters, prepare=prepare)


class _Compiled:
    """What was made under its keys, but for what was not asked for among the last so many others.

    Whoever asks for many different things makes nobody else's be made again.
    """

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._new: dict[Hashable, Any] = {}
        self._old: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """None where it cannot be kept."""
        new, old = self._new, self._old  # as other threads put others in their place
        if key in new:
            return new[key]
        try:
            found = old[key] if key in old else make()
        except NotCompilable:
            found = None
        if len(self._new) >= self._half:
            self._old, self._new = self._new, {}
        self._new[key] = found
        return found


_keep = _Compiled(_MOST_KEPT)


def _with_words_in_it(sql: str, parameters: Iterable[Any]) -> tuple[str, list[Any]]:
    """The query with its texts written out, such as a status.

    An index of the published events alone is in a kept plan only where the plan knows that these
    are asked for. Without it each run would be planned anew, which takes longer than the run.
    """
    left, values = [], iter(parameters)

    def written(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%%"
        value = next(values)
        if isinstance(value, str) and not value.startswith(_MARK_OF_A_TEXT):
            return Literal(str(value)).as_string().replace("%", "%%")
        left.append(value)
        return "%s"

    return re.sub("%[s%]", written, sql), left


def _place_marks(place: Sequence[Any]) -> list[Any]:
    try:
        return [_MARKS[type(value)](part) for part, value in enumerate(place)]
    except KeyError:
        raise NotCompilable from None


def _is_marked(value: Any) -> bool:
    """Whether a mark was changed on its way, and cannot be replaced."""
    return isinstance(value, str) and _MARK_OF_A_TEXT in value


def _looks_current(value: Any) -> bool:
    """Whether somebody wrote `now()` for `current_instant()`, and time would stand still."""
    return (
        isinstance(value, datetime)
        and not isinstance(value, CurrentInstant)
        and abs(value - timezone.now()) < timedelta(seconds=10)
    )


def _row_maker(
    queryset: QuerySet[Any], compiler: Any
) -> Callable[[tuple[Any, ...], str], Any] | None:
    """How a tuple of columns from a database becomes a row of the model with its related rows.

    None: it is the row.

    Rows are made as `QuerySet.only()` loads them: a column that was not asked for is fetched when
    it is used. Django's own way calls each model's constructor.
    """
    info, select = compiler.klass_info, compiler.select
    rows: Any = queryset
    if rows._prefetch_related_lookups or rows._db:
        raise NotCompilable
    positions = compiler.annotation_col_map
    converters = compiler.get_converters([expression for expression, _, _ in select])
    if rows._iterable_class is ValuesListIterable:
        return _converter(converters) if converters else None
    if rows._iterable_class is not ModelIterable:
        raise NotCompilable
    if converters.keys() - set(positions.values()):  # a column that is not as the driver reads it
        raise NotCompilable
    annotations = [
        (name, position, *converters.get(position, ((), None)))
        for name, position in positions.items()
    ]
    main = _maker(info, select)
    related = [
        (each["field"].name, _maker(each, select), each["select_fields"])
        for each in info.get("related_klass_infos", [])
    ]
    if any(each.get("related_klass_infos") for each in info.get("related_klass_infos", [])):
        raise NotCompilable
    keys = [
        next(position for position in positions if select[position][0].target.primary_key)
        for _, _, positions in related
    ]

    def row(columns: tuple[Any, ...], alias: str) -> Any:
        made = main(columns, alias)
        cache = made._state.fields_cache
        for (name, make, _), key in zip(related, keys, strict=True):
            cache[name] = None if columns[key] is None else make(columns, alias)
        for name, position, convert, expression in annotations:
            value = columns[position]
            for step in convert:
                value = step(value, expression, connections[alias])
            made.__dict__[name] = value
        return made

    return row


def _converter(converters: Any) -> Callable[[tuple[Any, ...], str], tuple[Any, ...]]:
    def row(columns: tuple[Any, ...], alias: str) -> tuple[Any, ...]:
        values = list(columns)
        for position, (steps, expression) in converters.items():
            for step in steps:
                values[position] = step(values[position], expression, connections[alias])
        return tuple(values)

    return row


def _maker(info: Any, select: Any) -> Callable[[tuple[Any, ...], str], Any]:
    model = info["model"]
    if model._meta.concrete_model is not model or model._meta.parents:
        raise NotCompilable
    positions = info["select_fields"]
    names = [select[position][0].target.attname for position in positions]
    pick = itemgetter(*positions) if len(positions) > 1 else None
    first = positions[0]

    def make(columns: tuple[Any, ...], alias: str) -> Any:
        values = pick(columns) if pick else (columns[first],)
        return loaded_row(model, dict(zip(names, values, strict=True)), alias)

    return make


def loaded_row(model: type[Any], values: dict[str, Any], alias: str) -> Any:
    """A row as `QuerySet.only()` would load it: what is not in `values` is fetched when asked for.

    The constructor goes through every field of the model, which takes a hundred times longer.
    """
    row: Any = object.__new__(model)
    state = ModelState()
    state.adding, state.db = False, alias
    row.__dict__.update(values, _state=state)
    return row

"""Compiled queries: the SQL of a list is built once and run for every page.

Building a page's query in Python (filters, orderings, the ORM's SQL) takes many times longer than
running it, and so does the ORM's construction of rows. A QuerySet still defines each list. The
result of its compilation is cached under all that it depends on: the SQL, the parameters that stand
for the current time, the viewer and the cursor's position, and a function that makes rows of
columns.

Run by the ORM instead, a signed-in user's page of events takes 3.6 times the CPU, one event 3 times
and a page of attendees 2.9 times (docs/decisions/lists.md).
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import mogrify
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from .compilation_cache import CompilationCache
from .replica import reading_connection
from .row_factories import NotCompilable, loaded_row, row_factory
from .sentinels import VIEWER_SENTINEL, has_sentinel, sentinels_of, with_literal_texts
from .statements import fetch_rows

__all__ = [
    "CompiledQuery",
    "CompiledStatement",
    "CurrentInstant",
    "NotCompilable",
    "Position",
    "compiled_query",
    "count_rows",
    "current_instant",
    "fetch",
    "fetch_by_sql",
    "loaded_row",
    "run_sql",
]

_MAX_CACHED_QUERIES = 1000

# The values that a cursor names; None is the start of the list.
Position = list[Any] | None


class CurrentInstant(datetime):
    """The current time as a query parameter. Each run of a compiled query replaces it."""


def current_instant() -> datetime:
    """`timezone.now()` for the conditions of a QuerySet that is compiled."""
    now = timezone.now()
    return CurrentInstant.combine(now.date(), now.timetz())


@contextmanager
def _viewer_sentinel(viewer: Any) -> Iterator[list[int]]:
    """The sentinel for the id of an account, which has it as its id within the block.

    So no queryset can leave the id itself in the SQL. None and guests have no sentinel. `viewer` is
    an object of this request alone. Raises `NotCompilable` if the block reads rows.
    """
    if (pk := viewer and viewer.pk) is None:
        yield []
        return
    viewer.pk = VIEWER_SENTINEL
    try:
        with reading_connection().execute_wrapper(_refuse_to_read):
            yield [VIEWER_SENTINEL]
    finally:
        viewer.pk = pk


def _refuse_to_read(*arguments: Any) -> None:
    raise NotCompilable


def _id_of(viewer: Any) -> list[int]:
    """What each run replaces the sentinel by."""
    return [] if viewer is None or viewer.pk is None else [viewer.pk]


class CompiledStatement:
    """SQL that is built once and run with any values and at any time.

    `sentinels` are the parameters that each run replaces by its values. Text sentinels and that of
    the viewer may be missing among the parameters. Raises `NotCompilable`.
    """

    def __init__(
        self, sql: str, parameters: Iterable[Any], sentinels: list[Any], *, prepare: bool = False
    ) -> None:
        if prepare:
            sql, parameters = with_literal_texts(sql, parameters)
        self.sql = sql
        self.parameters = list(parameters)
        self.prepare = prepare
        self.replaced = [
            (index, sentinels.index(value))
            for index, value in enumerate(self.parameters)
            if value in sentinels
        ]
        self.instants = [
            index
            for index, value in enumerate(self.parameters)
            if isinstance(value, CurrentInstant)
        ]
        present = {part for _, part in self.replaced}
        if any(
            part not in present
            for part, sentinel in enumerate(sentinels)
            if not isinstance(sentinel, str) and sentinel != VIEWER_SENTINEL
        ):
            raise NotCompilable
        constants = [value for value in self.parameters if value not in sentinels]
        if any(_looks_current(value) or has_sentinel(value) for value in constants):
            raise NotCompilable

    def run(self, values: Sequence[Any], database: BaseDatabaseWrapper) -> list[tuple[Any, ...]]:
        parameters = self.parameters.copy()
        for index, part in self.replaced:
            parameters[index] = values[part]
        if self.instants:
            now = timezone.now()
            for index in self.instants:
                parameters[index] = now
        return run_sql(self.sql, parameters, database, prepare=self.prepare)


class CompiledQuery:
    """One query of a list, for any position of its cursor, any time and any viewer.

    `build` receives a position and returns the QuerySet. Rows are instances of the model, or tuples
    where the QuerySet is a `values_list`. Raises `NotCompilable`.
    """

    def __init__(
        self,
        build: Callable[[Position], QuerySet[Any]],
        position: Position,
        *,
        prepare: bool = False,
        viewer: Any = None,
    ) -> None:
        sentinels = None if position is None else sentinels_of(position)
        with _viewer_sentinel(viewer) as of_viewer:
            queryset = build(sentinels)
            compiler = queryset.query.get_compiler(queryset.db)
            try:
                sql, parameters = compiler.as_sql()
            except EmptyResultSet:  # nothing can match, so there is no SQL
                raise NotCompilable from None
        replaced = [*(sentinels or ()), *of_viewer]
        self.model = queryset.model
        self.statement = CompiledStatement(sql, parameters, replaced, prepare=prepare)
        self.make_row = row_factory(queryset, compiler)
        self.locks_rows = queryset.query.select_for_update

    def run(self, position: Position, viewer: Any = None) -> list[Any]:
        alias = router.db_for_read(self.model)
        if self.locks_rows and connections[alias].get_autocommit():
            # Django checks this only where it compiles the query.
            raise TransactionManagementError("Rows are locked in a transaction only.")
        values = [*(position or ()), *_id_of(viewer)]
        rows = self.statement.run(values, connections[alias])
        return [self.make_row(columns, alias) for columns in rows] if self.make_row else rows


def fetch(
    key: Hashable,
    build: Callable[[Position], QuerySet[Any]],
    position: Position,
    *,
    prepare: bool = False,
    viewer: Any = None,
) -> list[Any]:
    """The rows of `build(position)`. The compiled query is cached under `key`.

    `build` must depend on nothing but `key`, the position and the id of `viewer`, an account, which
    `build` reads from this same object. All else about the viewer is part of the key, as
    `rights_key`. With `prepare` the statement is prepared, so that the database caches its plan
    too. That is for queries whose best plan depends on no number or time. Of their text parameters
    those that a client sends must be `ParameterText`, since the others become part of the SQL.
    """
    query = compiled_query(key, build, position, prepare=prepare, viewer=viewer)
    return list(build(position)) if query is None else query.run(position, viewer)


def count_rows(
    key: Hashable,
    builds: Sequence[Callable[[Sequence[Any]], QuerySet[Any]]],
    values: Sequence[Any],
) -> list[int]:
    """The number of rows of each query of `values`, by one prepared statement for all of them.

    The statement is cached under `key`, as by `fetch`.
    """

    def count_sql(given: Sequence[Any]) -> tuple[str, Iterable[Any]]:
        counts: list[str] = []
        parameters: list[Any] = []
        for build in builds:
            rows = build(given).order_by().values_list("pk")
            try:
                sql, of_rows = rows.query.sql_with_params()
            except EmptyResultSet:  # nothing can match, and there is no SQL for that
                counts.append("0")
                continue
            counts.append(f"(SELECT count(*) FROM ({sql}) AS counted)")  # noqa: S608  # nosec
            parameters += of_rows
        return f"SELECT {', '.join(counts)}", parameters

    (numbers,) = fetch_by_sql(("numbers of rows", key), count_sql, values, prepare=True)
    return list(numbers)


def compiled_query(
    key: Hashable,
    build: Callable[[Position], QuerySet[Any]],
    position: Position,
    *,
    prepare: bool = False,
    viewer: Any = None,
) -> CompiledQuery | None:
    """The compiled query of `fetch`. None where only the ORM can run it."""
    query: CompiledQuery | None = _compiled(
        key, lambda: CompiledQuery(build, position, prepare=prepare, viewer=viewer)
    )
    return query


def fetch_by_sql(
    key: Hashable,
    build: Callable[[Sequence[Any]], tuple[str, Iterable[Any]]],
    values: Sequence[Any],
    *,
    viewer: Any = None,
    prepare: bool = False,
) -> list[tuple[Any, ...]]:
    """The rows of the SQL and parameters that `build` returns for `values`.

    The statement is cached under `key` as in `fetch`, unless the key is None. Raises
    `EmptyResultSet` where `build` does.
    """

    def compile_statement() -> CompiledStatement:
        sentinels = sentinels_of(values)
        with _viewer_sentinel(viewer) as of_viewer:
            sql, parameters = build(sentinels)
        return CompiledStatement(sql, parameters, [*sentinels, *of_viewer], prepare=prepare)

    statement = None if key is None else _compiled(key, compile_statement)
    if statement is not None:
        values = [*values, *_id_of(viewer)]
        rows: list[tuple[Any, ...]] = statement.run(values, reading_connection())
        return rows
    sql, parameters = build(values)
    return run_sql(sql, list(parameters), reading_connection())


def run_sql(
    sql: str, parameters: list[Any], database: BaseDatabaseWrapper, *, prepare: bool = False
) -> list[tuple[Any, ...]]:
    """The rows of a statement. Raises Django's database errors."""
    if _refuse_to_read in database.execute_wrappers:
        raise NotCompilable
    return _run(sql, parameters, database, prepare=prepare)


def call_functions(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement that calls functions of its parameters and reads no table.

    It may therefore run while a query is built for all viewers.
    """
    return _run(sql, parameters, reading_connection())


def _run(
    sql: str, parameters: list[Any], database: BaseDatabaseWrapper, *, prepare: bool = False
) -> list[tuple[Any, ...]]:
    database.ensure_connection()
    if database.queries_logged:  # as Django's own cursor does
        query = mogrify(sql, parameters, database.connection)
        database.queries_log.append({"sql": query, "time": "0"})
    with database.wrap_database_errors:
        return fetch_rows(database.connection, sql, parameters, prepare=prepare)


_compiled = CompilationCache(_MAX_CACHED_QUERIES)


def _looks_current(value: Any) -> bool:
    """Whether a condition uses `now()`, whose value would stay in the compiled query."""
    return (
        isinstance(value, datetime)
        and not isinstance(value, CurrentInstant)
        and abs(value - timezone.now()) < timedelta(seconds=10)
    )

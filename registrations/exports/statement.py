"""The SQL statement of an attendee list, and its rows in batches."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

from django.db import connection, transaction

from config.api.sql.time_limits import long_statements
from config.api.sql.time_zones import zone_in_sql
from events.models import Event

from ..forms.questions import NO_QUESTIONS, Questions, questions_of
from ..models import Registration, RegistrationQuerySet
from .columns import ORDERINGS, Column, answers_record, columns_with
from .formula_guard import guarded_sql, guarded_text

ROWS_OF_A_BATCH = 1000

# ISO 8601 as in the rest of the API: microseconds only if they are not zero, UTC as Z.
_TIME = """replace(to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS.US{1}'), '.000000', '')"""

# Rendering times is the most expensive part, and almost every attendee is confirmed when they
# register. So that text is made once per row, in a subquery. OFFSET 0 prevents the planner from
# merging it into the outer query. The inner ORDER BY lets an index do the sorting.
_SELECT = """
    WITH chosen AS ({chosen}) SELECT {columns} FROM (
        SELECT *, {registered_text} AS registered_text FROM chosen ORDER BY {ordering} OFFSET 0
    ) AS chosen {answers} ORDER BY {ordering}
"""


@dataclass(frozen=True)
class Options:
    """The caller's choices besides the format; `bom` and `raw` apply to CSV only.

    With `is_uniform` the columns are the same for every event.
    """

    ordering: str = "registered_at"
    bom: bool = False
    raw: bool = False
    is_uniform: bool = False


def attendee_select(
    event: Event,
    rows: RegistrationQuerySet,
    zone: tzinfo,
    options: Options,
    columns: Sequence[Column],
    *,
    guarded: bool = False,
    as_json: bool = False,
) -> tuple[str, dict[str, Any]]:
    """The statement that selects `columns` of `columns_of` in their order, and its parameters.

    With `guarded` no text runs as a formula in a spreadsheet. With `as_json` answers keep their
    types.
    """
    questions = _exported_questions(event, options)
    event_name = guarded_text(event.name) if guarded else event.name
    parameters: dict[str, Any] = {"event_id": event.pk, "event_name": event_name}
    sql, values = rows.order_by().query.sql_with_params()
    names = [f"chosen_{number}" for number in range(len(values))]
    parameters |= dict(zip(names, values, strict=True))
    chosen = sql % tuple(f"%({name})s" for name in names)
    selected = ", ".join(
        f"{_column_sql(column, zone, guarded=guarded)} AS {quoted(column.name)}"
        for column in columns
    )
    statement = _SELECT.format(
        chosen=chosen,
        columns=selected,
        registered_text=_time_sql("chosen.registered_at", zone),
        ordering=ORDERINGS[options.ordering],
        answers=answers_record(questions, as_json=as_json) if questions.all else "",
    )
    return statement, parameters


def text_batches(select: str, parameters: dict[str, Any], zone: tzinfo) -> Generator[list[str]]:
    """The values of a statement with one column, a batch at a time from a server-side cursor."""
    # The cursor has a name in this transaction, so a pooler supports it.
    with (
        session_zone(zone),
        connection.wrap_database_errors,
        connection.create_cursor(name="export") as cursor,
    ):
        cursor.execute(select, parameters)
        while batch := cursor.fetchmany(ROWS_OF_A_BATCH):
            yield [text for (text,) in batch]


@contextmanager
def session_zone(zone: tzinfo) -> Iterator[None]:
    """A transaction in which PostgreSQL renders times in `zone`, for as long as an export takes.

    Raises `InvalidTimezone`.
    """
    with transaction.atomic(), long_statements(connection):
        with connection.cursor() as cursor, zone_in_sql(zone):
            # The planner may expect that few answers differ, and Memoize adds a third to the time.
            cursor.execute("SET LOCAL enable_memoize = off")
            cursor.execute("SELECT set_config('TimeZone', %s, true)", [str(zone)])
        yield
        with connection.cursor() as cursor:  # an enclosing transaction would keep the zone
            cursor.execute("SELECT set_config('TimeZone', 'UTC', true)")


def columns_of(event: Event, options: Options) -> tuple[Column, ...]:
    """An event that takes or has parties has their columns."""
    questions = _exported_questions(event, options)
    has_parties = (
        options.is_uniform
        or event.max_party_size > 1
        or Registration.objects.filter(event=event, party_size__gt=1).exists()
    )
    return columns_with(questions, has_parties=has_parties)


def _exported_questions(event: Event, options: Options) -> Questions:
    return NO_QUESTIONS if options.is_uniform else questions_of(event.form)


def concatenated(texts: Sequence[str]) -> str:
    """SQL for texts one after another, without those that are null.

    A function has at most 100 arguments. `||` would copy the row for each of its cells.
    """
    groups = [texts[start : start + 100] for start in range(0, len(texts), 100)]
    return " || ".join(f"concat({', '.join(group)})" for group in groups)


def quoted(name: str) -> str:
    """The name of a column in SQL. No name contains a quote."""
    return f'"{name}"'


def _column_sql(column: Column, zone: tzinfo, *, guarded: bool) -> str:
    if column.name == "registered_at":
        return "chosen.registered_text"
    if column.kind == "time":
        return (
            f"CASE WHEN {column.sql} = chosen.registered_at THEN chosen.registered_text"
            f" ELSE {_time_sql(column.sql, zone)} END"
        )
    if column.kind == "text" and guarded:
        return guarded_sql(column.sql)
    return column.sql


def _time_sql(sql: str, zone: tzinfo) -> str:
    return _TIME.format(sql, '"Z"' if zone is UTC else "TZH:TZM")

"""A statement that runs by libpq returns and raises what a cursor of psycopg does."""

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from select import select
from threading import Thread
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from psycopg.errors import DivisionByZero, InFailedSqlTransaction

from config.api.sql.statements import MAX_PREPARED, Statement

pytestmark = pytest.mark.django_db

COLUMNS = {
    "int2": 1, "int4": 70_000, "int8": 5_000_000_000, "text": "Fête 🎪", "bool": True,
    "float8": 2.5, "timestamptz": datetime(2027, 1, 15, 12, tzinfo=UTC), "uuid": UUID(int=7),
    "date": None, "int8[]": [1, 70_000, 5_000_000_000], "text[]": [],
}  # fmt: skip
PREPARED = Statement("SELECT name FROM pg_prepared_statements WHERE name LIKE 'statement%%'")


@pytest.fixture
def own() -> Iterator[psycopg.Connection]:
    """A connection of the test's own, which the test may break."""
    django = connection.copy()
    django.connect()
    yield django.connection
    django.connection.close()


def fetch_value(
    database: psycopg.Connection, sql: str, *parameters: object, prepare=False
) -> object:
    ((value,),) = Statement(sql).run(database, parameters, prepare=prepare)
    return value


@pytest.mark.parametrize("prepare", [True, False])
def test_values_and_columns_are_those_of_a_cursor(own, prepare):
    columns = ", ".join(f"%s::{kind}" for kind in COLUMNS)
    sql = f"SELECT {columns}, '%%s', 5 %% 3, ctid, xmin FROM pg_class ORDER BY oid LIMIT 2"
    values = list(COLUMNS.values())

    rows = Statement(sql).run(own, values, prepare=prepare)

    with psycopg.Cursor(own) as cursor:
        expected = cursor.execute(sql, values, binary=True).fetchall()
    assert rows == expected
    assert [[type(value) for value in row] for row in rows] == [
        [type(value) for value in row] for row in expected
    ]
    assert [list(row[: len(values) + 2]) for row in rows] == [[*values, "%s", 2]] * 2


@pytest.mark.parametrize("prepare", [True, False])
def test_parameters_may_have_names(own, prepare):
    statement = Statement("SELECT %(b)s::text, %(a)s::int, %(b)s::text, '%%(a)s'")

    for _ in range(2):
        rows = statement.run(own, {"a": 1, "b": "x", "c": None}, prepare=prepare)
        assert rows == [("x", 1, "x", "%(a)s")]


def test_statement_without_rows_or_parameters_returns_no_rows(own):
    assert Statement("SELECT 1 WHERE false").run(own, (), prepare=True) == []


@pytest.mark.parametrize("prepare", [True, False])
def test_error_is_that_of_a_cursor_and_leaves_the_connection_usable(own, prepare):
    with pytest.raises(DivisionByZero, match=r"^division by zero$"):
        fetch_value(own, "SELECT 1 / %s", 0, prepare=prepare)

    assert fetch_value(own, "SELECT 1 / %s", 1, prepare=prepare) == 1


def test_an_error_in_a_transaction_ends_it(own):
    own.autocommit = False
    with pytest.raises(DivisionByZero):
        fetch_value(own, "SELECT 1 / 0")

    with pytest.raises(InFailedSqlTransaction):
        fetch_value(own, "SELECT 1")


@pytest.mark.parametrize("prepare", [True, False])
def test_first_statement_begins_the_transaction(own, prepare):
    own.autocommit = False

    first = fetch_value(own, "SELECT now()", prepare=prepare)

    assert fetch_value(own, "SELECT now()", prepare=prepare) == first
    own.rollback()
    assert fetch_value(own, "SELECT now()", prepare=prepare) > first


def test_connection_terminated_while_idle_raises_an_operational_error(own):
    pid = own.info.backend_pid
    assert fetch_value(connection.connection, "SELECT pg_terminate_backend(%s, 10000)", pid)

    with pytest.raises(psycopg.OperationalError):
        fetch_value(own, "SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        fetch_value(own, "SELECT 1")

    assert own.closed


def test_connection_terminated_during_a_statement_raises_an_operational_error(own):
    """The caller's thread blocks in libpq, and other threads run on."""
    failures = []

    def wait() -> None:
        try:
            fetch_value(own, "SELECT pg_sleep(60)::text")
        except psycopg.OperationalError as error:
            failures.append(error)

    waiting = Thread(target=wait)
    waiting.start()
    sleeps = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    while not fetch_value(connection.connection, sleeps, own.info.backend_pid):
        assert waiting.is_alive()
    fetch_value(connection.connection, "SELECT pg_terminate_backend(%s)", own.info.backend_pid)
    waiting.join(10)

    assert len(failures) == 1
    assert own.closed


@pytest.mark.parametrize("prepare", [True, False])
def test_connection_closed_for_writing_raises_an_operational_error(own, prepare):
    """As after a crash of the server: its last message is readable, and nothing can be sent."""
    own.execute("LISTEN news")
    if prepare:
        assert fetch_value(own, "SELECT 1", prepare=True) == 1
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("NOTIFY news")
    other.close()
    assert select([own.pgconn.socket], [], [], 10)[0]
    with socket.socket(fileno=os.dup(own.pgconn.socket)) as wire:
        wire.shutdown(socket.SHUT_WR)

    with pytest.raises(psycopg.OperationalError):
        fetch_value(own, "SELECT 1", prepare=prepare)


def test_prepared_statements_are_prepared_once_for_each_connection_and_bounded(own):
    for _ in range(2):
        for number in range(MAX_PREPARED + 20):
            assert fetch_value(own, f"SELECT {number}", prepare=True) == number

    assert len(PREPARED.run(own, (), prepare=False)) == MAX_PREPARED
    assert fetch_value(own, "SELECT %s + 1", 1, prepare=True) == 2
    before = PREPARED.run(own, (), prepare=False)
    assert fetch_value(own, "SELECT %s + 1", 2, prepare=True) == 3
    assert PREPARED.run(own, (), prepare=False) == before
    assert fetch_value(own, "SELECT %s + 1", 5_000_000_000, prepare=True) == 5_000_000_001


def test_deallocated_statement_is_prepared_again(own):
    assert [fetch_value(own, f"SELECT {number}", prepare=True) for number in (1, 2)] == [1, 2]
    with own.transaction(force_rollback=True):
        fetch_value(own, "SELECT 1", prepare=True)

    assert [fetch_value(own, f"SELECT {number}", prepare=True) for number in (1, 2)] == [1, 2]
    assert len(PREPARED.run(own, (), prepare=False)) == 2


def test_statement_whose_column_types_changed_is_prepared_again(own):
    own.execute("CREATE TEMPORARY TABLE here AS SELECT 'x'::varchar(10) AS name")
    sql = "SELECT name FROM here"
    assert [fetch_value(own, each, prepare=True) for each in (sql, "SELECT 'y'")] == ["x", "y"]

    own.execute("ALTER TABLE here ALTER name TYPE varchar(20)")

    assert [fetch_value(own, sql, prepare=True) for _ in range(2)] == ["x", "x"]
    assert len(PREPARED.run(own, (), prepare=False)) == 2


def test_statement_deallocated_in_a_transaction_still_runs(own):
    for _ in range(2):
        with own.transaction():
            with own.transaction(force_rollback=True):
                assert fetch_value(own, "SELECT 1", prepare=True) == 1
            assert fetch_value(own, "SELECT 1", prepare=True) == 1
        assert fetch_value(own, "SELECT 1", prepare=True) == 1


def test_statements_are_not_prepared_without_a_prepare_threshold(own):
    own.prepare_threshold = None

    assert fetch_value(own, "SELECT %s + 1", 1, prepare=True) == 2
    assert PREPARED.run(own, (), prepare=True) == []

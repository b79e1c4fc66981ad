"""Rows of prepared statements, also after a migration has changed their columns."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection
from psycopg.errors import FeatureNotSupported

from config.api.sql.statements import NamedStatement, fetch_rows

pytestmark = pytest.mark.django_db

PREPARED = "SELECT count(*) FROM pg_prepared_statements"


@pytest.fixture
def own() -> Iterator[psycopg.Connection]:
    """A connection of the test's own, which the test may change."""
    django = connection.copy()
    django.connect()
    yield django.connection
    django.connection.close()


def fetch_value(database: psycopg.Connection, sql: str, *parameters: object, prepare=True):
    ((value,),) = fetch_rows(database, sql, parameters, prepare=prepare)
    return value


@pytest.fixture
def name_query(own) -> str:
    """A prepared query of a column whose type then changes."""
    own.execute("CREATE TEMPORARY TABLE here AS SELECT 'x'::varchar(10) AS name")
    sql = "SELECT name FROM here"
    assert fetch_value(own, sql) == "x"
    own.execute("DO $$ BEGIN ALTER TABLE here ALTER name TYPE varchar(20); END $$")
    return sql


def test_a_statement_is_prepared_at_its_first_run(own):
    assert fetch_value(own, "SELECT %s + 1", 1) == 2

    assert fetch_value(own, PREPARED, prepare=False) == 1


def test_a_statement_is_not_prepared_without_a_prepare_threshold(own):
    own.prepare_threshold = None

    assert fetch_value(own, "SELECT %s + 1", 1) == 2

    assert fetch_value(own, PREPARED, prepare=False) == 0


def test_a_statement_whose_column_types_changed_is_prepared_again(own, name_query):
    assert [fetch_value(own, name_query) for _ in range(2)] == ["x", "x"]


def test_changed_column_types_are_an_error_within_a_transaction(own, name_query):
    with pytest.raises(FeatureNotSupported), own.transaction():
        fetch_value(own, name_query)

    assert fetch_value(own, name_query) == "x"


def test_named_parameters_are_found_wherever_they_occur(own):
    statement = NamedStatement("SELECT %(b)s::int - %(a)s::int, %(b)s::int %% 4, '%%s'")

    for _ in range(2):
        rows = statement.fetch_rows(own, {"a": 1, "b": 7, "unused": "x"})
        assert rows == [(6, 3, "%s")]

    assert fetch_value(own, PREPARED, prepare=False) == 1

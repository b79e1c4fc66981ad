"""Statements with psycopg's options for short queries, which Django's cursor does not pass on."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection, Cursor
from psycopg.errors import FeatureNotSupported
from psycopg.pq import TransactionStatus

_IDLE = TransactionStatus.IDLE


def fetch_rows(
    connection: Connection[Any],
    sql: str,
    parameters: Sequence[Any] | Mapping[str, Any],
    *,
    prepare: bool,
) -> list[tuple[Any, ...]]:
    """The rows of a statement, whose columns are sent in binary format.

    With `prepare` the statement is prepared once for each connection, unless the connection's
    `prepare_threshold` is None. Raises psycopg's errors.
    """

    def fetch() -> list[tuple[Any, ...]]:
        cursor = Cursor(connection)
        return cursor.execute(sql, parameters, prepare=prepare, binary=True).fetchall()

    try:
        return fetch()
    except FeatureNotSupported:
        # A migration may have changed the type of a result column since the statement was prepared.
        if not prepare or connection.info.transaction_status != _IDLE:
            raise
        connection.execute("DEALLOCATE ALL")
        return fetch()

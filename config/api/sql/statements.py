"""Statements with psycopg's options for short queries, which Django's cursor does not pass on."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection, Cursor, RawCursor
from psycopg.errors import FeatureNotSupported
from psycopg.pq import TransactionStatus

_IDLE = TransactionStatus.IDLE


def fetch_rows(
    connection: Connection[Any],
    sql: str | bytes,
    parameters: Sequence[Any],
    *,
    prepare: bool,
    cursor_class: type[Cursor[Any]] = Cursor,
) -> list[tuple[Any, ...]]:
    """The rows of a statement, whose columns are sent in binary format.

    With `prepare` the statement is prepared once for each connection, unless the connection's
    `prepare_threshold` is None. Raises psycopg's errors.
    """

    def fetch() -> list[tuple[Any, ...]]:
        cursor = cursor_class(connection)
        return cursor.execute(sql, parameters, prepare=prepare, binary=True).fetchall()

    try:
        return fetch()
    except FeatureNotSupported:
        # A migration may have changed the type of a result column since the statement was prepared.
        if not prepare or connection.info.transaction_status != _IDLE:
            raise
        connection.execute("DEALLOCATE ALL")
        return fetch()


class NamedStatement:
    """A prepared statement with named parameters, such as `%(id)s`. `%%` is a percent sign.

    psycopg parses a statement of more than 4,096 bytes at each run. That took a quarter to a third
    of the Python of a registration, so the parameters are numbered here, once.
    """

    def __init__(self, sql: str) -> None:
        self._names: list[str] = []
        self._sql = re.sub(r"%\((\w+)\)s|%%", self._number, sql).encode()

    def _number(self, match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "%"
        if name not in self._names:
            self._names.append(name)
        return f"${self._names.index(name) + 1}"

    def fetch_rows(
        self, connection: Connection[Any], parameters: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Raises psycopg's errors."""
        values = [parameters[name] for name in self._names]
        return fetch_rows(connection, self._sql, values, prepare=True, cursor_class=RawCursor)

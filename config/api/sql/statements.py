"""Statements that run by one blocking call of libpq.

A cursor of psycopg drives libpq step by step, so that it can be interrupted. For a short query
these steps take longer than the query. The conversions of values and columns are psycopg's, and so
are the errors.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import Connection, Cursor, OperationalError
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

MAX_PREPARED = 100
_IDLE = TransactionStatus.IDLE
_IS_NOT_PREPARED = b"26000"  # SQLSTATE invalid_sql_statement_name
_HAS_OTHER_TYPES = b"0A000"  # the type of a result column changed since it was prepared

_names = count(1)
# The names of a connection's prepared statements, by text and parameter types.
_Prepared = dict[tuple[bytes, tuple[int, ...]], bytes]
_prepared: WeakKeyDictionary[Connection[Any], _Prepared] = WeakKeyDictionary()


class Statement:
    """A statement that returns rows, with `%s` or `%(name)s` for its parameters, `%%` for `%`."""

    def __init__(self, sql: str) -> None:
        # The number of each parameter, by its name or its index.
        self._numbers: dict[str | int, int] = {}

        def numbered(match: re.Match[str]) -> str:
            if match[0] == "%%":
                return "%"
            key = match[1] or len(self._numbers)
            return f"${self._numbers.setdefault(key, len(self._numbers) + 1)}"

        self.sql = sql.encode()
        self.numbered = re.sub(r"%(?:\((\w+)\))?[s%]", numbered, sql).encode()
        self.formats = [PyFormat.AUTO] * len(self._numbers)

    def run(
        self,
        connection: Connection[Any],
        parameters: Sequence[Any] | Mapping[str, Any],
        *,
        prepare: bool,
    ) -> list[tuple[Any, ...]]:
        """Return the rows. `parameters` is a mapping where the statement has named parameters.

        With `prepare` the statement is prepared once for each connection, unless the connection's
        `prepare_threshold` is None. Raises psycopg's errors.
        """
        if not connection.autocommit or connection.pgconn.transaction_status != _IDLE:
            # A cursor begins the transaction. It also tracks which statements are prepared: in a
            # transaction a failed attempt cannot be repeated.
            with Cursor(connection) as cursor:
                return cursor.execute(self.sql, parameters, prepare=prepare, binary=True).fetchall()
        if isinstance(parameters, Mapping):
            parameters = [parameters[name] for name in self._numbers]  # type: ignore[index]
        adapter = Transformer(connection)
        values = adapter.dump_sequence(parameters, self.formats)
        types, formats = adapter.types or (), adapter.formats
        with connection.lock:
            if prepare and connection.prepare_threshold is not None:
                result = self._run_prepared(connection, values, types, formats)
            else:
                result = connection.pgconn.exec_params(
                    self.numbered, values, types, formats, Format.BINARY
                )
        _check(connection, result)
        adapter.set_pgresult(result, format=Format.BINARY)
        return adapter.load_rows(0, result.ntuples, tuple)

    def _run_prepared(
        self, connection: Connection[Any], values: Any, types: tuple[int, ...], formats: Any
    ) -> PGresult:
        known = _prepared.setdefault(connection, {})
        name = known.get((self.numbered, types))
        if name is not None:
            result = connection.pgconn.exec_prepared(name, values, formats, Format.BINARY)
            state = result.error_field(DiagnosticField.SQLSTATE)
            if state == _IS_NOT_PREPARED:
                known.clear()  # psycopg deallocates all prepared statements after a ROLLBACK
            elif state == _HAS_OTHER_TYPES:
                connection.pgconn.exec_(b"DEALLOCATE " + known.pop((self.numbered, types)))
            else:
                return result
        if len(known) >= MAX_PREPARED:
            connection.pgconn.exec_(b"DEALLOCATE " + known.pop(next(iter(known))))
        name = b"statement_%d" % next(_names)
        _check(connection, connection.pgconn.prepare(name, self.numbered, types))
        known[self.numbered, types] = name
        return connection.pgconn.exec_prepared(name, values, formats, Format.BINARY)


def _check(connection: Connection[Any], result: PGresult) -> None:
    if result.status in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
        return
    error = error_from_result(result, encoding="utf-8")
    # Without a SQLSTATE the error is libpq's: the connection is broken, even where libpq has not
    # marked it so because sending failed.
    if connection.pgconn.status == ConnStatus.BAD or error.sqlstate is None:
        raise OperationalError(str(error)) from error
    raise error

"""Statements by libpq's own call, which sends and waits.

A cursor of psycopg drives libpq step by step, so that it can wait for several things at once. A
short query waits for one, and the steps take longer than it does. What values and columns are in
Python is the same, and so are the errors.
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

MOST_PREPARED = 100
_IDLE = TransactionStatus.IDLE
_IS_NOT_PREPARED = b"26000"
_IS_OF_OTHER_TYPES = b"0A000"  # than when it was prepared: a column was altered

_names = count(1)
# By the text and the types of its parameters: the name that the connection knows it under.
_Prepared = dict[tuple[bytes, tuple[int, ...]], bytes]
_prepared: WeakKeyDictionary[Connection[Any], _Prepared] = WeakKeyDictionary()


class Statement:
    """A statement that returns rows, with `%s` or `%(name)s` for its parameters, `%%` for `%`."""

    def __init__(self, sql: str) -> None:
        self._places: dict[str | int, int] = {}  # of a name or of how many were before: its number

        def numbered(match: re.Match[str]) -> str:
            if match[0] == "%%":
                return "%"
            key = match[1] or len(self._places)
            return f"${self._places.setdefault(key, len(self._places) + 1)}"

        self.sql = sql.encode()
        self.numbered = re.sub(r"%(?:\((\w+)\))?[s%]", numbered, sql).encode()
        self.formats = [PyFormat.AUTO] * len(self._places)

    def run(
        self,
        connection: Connection[Any],
        parameters: Sequence[Any] | Mapping[str, Any],
        *,
        prepare: bool,
    ) -> list[tuple[Any, ...]]:
        """The rows. `parameters` are by name where the statement names them.

        `prepare` has the database keep its plan, where the connection may prepare.

        Raises psycopg's errors.
        """
        if not connection.autocommit or connection.pgconn.transaction_status != _IDLE:
            # A cursor begins it, and knows of what is prepared before it is too late to ask again.
            with Cursor(connection) as cursor:
                return cursor.execute(self.sql, parameters, prepare=prepare, binary=True).fetchall()
        if isinstance(parameters, Mapping):
            parameters = [parameters[name] for name in self._places]  # type: ignore[index]
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
                known.clear()  # psycopg forgets all that is prepared after a ROLLBACK
            elif state == _IS_OF_OTHER_TYPES:
                connection.pgconn.exec_(b"DEALLOCATE " + known.pop((self.numbered, types)))
            else:
                return result
        if len(known) >= MOST_PREPARED:
            connection.pgconn.exec_(b"DEALLOCATE " + known.pop(next(iter(known))))
        name = b"statement_%d" % next(_names)
        _check(connection, connection.pgconn.prepare(name, self.numbered, types))
        known[self.numbered, types] = name
        return connection.pgconn.exec_prepared(name, values, formats, Format.BINARY)


def _check(connection: Connection[Any], result: PGresult) -> None:
    if result.status in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
        return
    error = error_from_result(result, encoding="utf-8")
    # Nobody was there to give it a code. libpq says so, or not yet: where it could not send.
    if connection.pgconn.status == ConnStatus.BAD or error.sqlstate is None:
        raise OperationalError(str(error)) from error
    raise error

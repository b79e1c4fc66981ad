"""Connections whose operations end when the server does not respond.

PostgreSQL's own limits need a server that runs, and libpq has none for a response.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Connection, InternalError, OperationalError
from psycopg._preparing import Prepare, PrepareManager
from psycopg._queries import PostgresQuery
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout

T = TypeVar("T")


class _UniqueNames(PrepareManager):
    """psycopg's prepared statements, with a suffix after their names.

    A pooler may give several clients the same server connection.
    """

    def __init__(self) -> None:
        super().__init__()
        self._suffix = b"_" + secrets.token_hex(6).encode()

    def get(self, query: PostgresQuery, prepare: bool | None = None) -> tuple[Prepare, bytes]:
        decision, name = super().get(query, prepare)
        if decision is Prepare.SHOULD:
            name += self._suffix
        return decision, name


class WatchedConnection(Connection[Any]):
    """An operation may block for `max_blocked_seconds`, or for ever if that is None.

    After that the connection is closed, `on_timeout` is called, and the operation raises
    `OperationalError`.
    """

    max_blocked_seconds: float | None = None
    on_timeout: Callable[[], None] | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._prepared = _UniqueNames()

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, timeout or self.max_blocked_seconds)
        except _WaitTimeout:
            if timeout is not None:
                raise
            self.close()
            if self.on_timeout is not None:
                self.on_timeout()
            raise OperationalError("the database has not responded in time") from None
        except InternalError as error:
            if error.sqlstate is not None:
                raise
            # The driver's own error. A pooler that loses its server may add a response of its own.
            self.close()
            raise OperationalError(f"the connection is out of step: {error}") from error


@contextmanager
def blocking_for(database: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Allow each operation of the connection to block for `seconds` inside."""
    database.ensure_connection()
    connection: WatchedConnection = database.connection
    before = connection.max_blocked_seconds
    connection.max_blocked_seconds = seconds
    try:
        yield
    finally:
        connection.max_blocked_seconds = before

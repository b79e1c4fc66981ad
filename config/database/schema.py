"""Migrations that wait for their locks without making requests wait.

A statement that alters a table waits for the transactions that use it, and every later statement on
the table queues behind it. So it waits for a moment only, and is tried again. Requests come in
between. PostgreSQL looks for deadlocks after a second. A migration gives up before, so that it is
not a request that is cancelled. Only a longer wait makes PostgreSQL cancel an automatic vacuum of
the table, so every third one is longer.
"""

import sys
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic, sleep
from typing import Any, Self, TypeVar

from django.db import OperationalError
from django.db.backends.postgresql.schema import DatabaseSchemaEditor

T = TypeVar("T")

LOCK_TIMEOUTS = ("500ms", "500ms", "1500ms")  # in turn
PAUSE_SECONDS = 1.0
# An export, the longest transaction of a request, takes ten minutes at most.
PATIENCE_SECONDS = 900.0

_LOCK_NOT_AVAILABLE, _DEADLOCK_DETECTED = "55P03", "40P01"


_lock_timeout = ContextVar("lock_timeout", default=LOCK_TIMEOUTS[0])


def with_patience(work: Callable[[], T], on_wait: Callable[[], None] = lambda: None) -> T:
    """The result of `work`, which is called again as long as it fails for lack of a lock."""
    until = monotonic() + PATIENCE_SECONDS
    attempt, token = 0, _lock_timeout.set(LOCK_TIMEOUTS[0])
    try:
        while True:
            try:
                return work()
            except OperationalError as error:
                state = getattr(error.__cause__, "sqlstate", None)
                if state not in {_LOCK_NOT_AVAILABLE, _DEADLOCK_DETECTED} or monotonic() > until:
                    raise
            attempt += 1
            _lock_timeout.set(LOCK_TIMEOUTS[attempt % len(LOCK_TIMEOUTS)])
            on_wait()
            sleep(PAUSE_SECONDS)
    finally:
        _lock_timeout.reset(token)


class SchemaEditor(DatabaseSchemaEditor):
    """Outside of a transaction it repeats a statement. `migrate` repeats whole transactions."""

    def __init__(self, connection: Any, collect_sql: bool = False, atomic: bool = True) -> None:
        super().__init__(connection, collect_sql, atomic)
        if not self.atomic_migration:
            # An interrupted migration has kept the columns that it added, and is run again.
            self.sql_create_column = self.sql_create_column.replace(
                "ADD COLUMN", "ADD COLUMN IF NOT EXISTS"
            )

    def __enter__(self) -> Self:
        super().__enter__()
        if not self.collect_sql:
            scope = "LOCAL" if self.connection.in_atomic_block else "SESSION"
            self.execute(f"SET {scope} lock_timeout = '{_lock_timeout.get()}'")
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None:
                for statement in self.deferred_sql:
                    self.execute(statement, None)
                self.deferred_sql = []
        except Exception:
            super().__exit__(*sys.exc_info())  # otherwise Django leaves the transaction open
            raise
        super().__exit__(*error)
        if error[0] is None and not self.collect_sql:
            self.execute("RESET lock_timeout")

    def execute(self, sql: Any, params: Any = ()) -> None:
        run = super().execute
        if self.collect_sql or self.connection.in_atomic_block:
            run(sql, params)
        else:
            with_patience(
                lambda: run(sql, params),
                lambda: run(f"SET lock_timeout = '{_lock_timeout.get()}'"),
            )

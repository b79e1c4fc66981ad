"""Reads that may lag go to a replica, where `DATABASE_REPLICA_URL` names one.

A view with `may_lag` reads the replica for a guest's GET. Its lists are public and nobody has just
written them. Signed-in users read the primary, so that they see their own writes. Requests for
single rows read the primary too, since such a read often follows a write.

The router selects the replica for queries of the ORM. Statements in SQL use
`reading_connection()`.
"""

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..limited_log import LimitedLog

limited_log = LimitedLog(logging.getLogger(__name__))

REPLICA = "replica"
RETRY_SECONDS = 10.0

P = ParamSpec("P")
R = TypeVar("R")

_reads_may_lag: ContextVar[bool] = ContextVar("reads_may_lag", default=False)
_unavailable_until = 0.0


class ReplicaRouter:
    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return REPLICA if _reads_may_lag.get() else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if db == REPLICA else None


def reading_connection() -> BaseDatabaseWrapper:
    """The connection for a SELECT in SQL."""
    return connections[REPLICA if _reads_may_lag.get() else DEFAULT_DB_ALIAS]


def reads_from_replica(handler: Callable[P, R]) -> Callable[P, R]:
    """Wrap a GET handler so that its reads go to the replica, or to the primary if that fails.

    An unreachable replica is not used for `RETRY_SECONDS`, since each attempt costs a time-out.
    """

    def handle(*args: P.args, **kwargs: P.kwargs) -> R:
        if REPLICA not in connections.settings or time.time() < _unavailable_until:
            return handler(*args, **kwargs)
        token = _reads_may_lag.set(True)
        try:
            return handler(*args, **kwargs)
        except Error as error:  # the primary raises it again where the query itself is the cause
            limited_log.report("the replica failed, so the primary is read", error)
            _suspend_if_unreachable()
        finally:
            _reads_may_lag.reset(token)
        return handler(*args, **kwargs)

    return handle


def _suspend_if_unreachable() -> None:
    global _unavailable_until  # noqa: PLW0603  # of the process, as its connections are
    replica = connections[REPLICA]
    if replica.connection is None or not replica.is_usable():
        _unavailable_until = time.time() + RETRY_SECONDS
        replica.close()

"""Reads that may lag go to a replica, where `DATABASE_REPLICA_URL` names one.

A view that says `may_lag` answers a guest's GET from there: what everybody sees, and nobody has
just written. Who is signed in reads the primary, and so sees their own writes; so does every
request that is about one row, since an answer about a write may be followed by a read of it.

Queries of the ORM find the replica by the router; statements by hand ask `reading_connection()`.
"""

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

REPLICA = "replica"
SECONDS_LEFT_ALONE = 10.0

P = ParamSpec("P")
R = TypeVar("R")

_reads_may_lag: ContextVar[bool] = ContextVar("reads_may_lag", default=False)
_left_alone_until = 0.0


class ReplicaRouter:
    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return REPLICA if _reads_may_lag.get() else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if db == REPLICA else None


def reading_connection() -> BaseDatabaseWrapper:
    """The connection that a SELECT written by hand goes to."""
    return connections[REPLICA if _reads_may_lag.get() else DEFAULT_DB_ALIAS]


def answered_by_replica(handler: Callable[P, R]) -> Callable[P, R]:
    """Wrap a GET handler so that its reads go to the replica, and to the primary if that fails.

    A replica that cannot be reached is left alone for a while: each attempt costs a time-out.
    """

    def handle(*args: P.args, **kwargs: P.kwargs) -> R:
        if REPLICA not in connections.settings or time.time() < _left_alone_until:
            return handler(*args, **kwargs)
        token = _reads_may_lag.set(True)
        try:
            return handler(*args, **kwargs)
        except Error:  # also what the primary would say of a bad query: it is asked next
            logger.warning("the replica failed; the primary answers", exc_info=True)
            _leave_alone_if_away()
        finally:
            _reads_may_lag.reset(token)
        return handler(*args, **kwargs)

    return handle


def _leave_alone_if_away() -> None:
    global _left_alone_until  # noqa: PLW0603  # of the process, as its connections are
    replica = connections[REPLICA]
    if replica.connection is None or not replica.is_usable():
        _left_alone_until = time.time() + SECONDS_LEFT_ALONE
        replica.close()

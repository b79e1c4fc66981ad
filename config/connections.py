"""Checks of the database connections that threads reuse."""

import select
import threading
from collections.abc import Iterable
from time import monotonic
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from config.server.wsgi import Application

# After so short a pause a connection is not checked.
TRUSTED_SECONDS = 1.0

_thread = threading.local()


def with_live_connections(application: Application) -> Application:
    """Close, before a request, the connections that the server has ended since the last one.

    The server ends them when it restarts, for example. Otherwise the thread's next request would
    fail. A query for the check would cost a round trip. Instead the socket is polled: an idle
    connection with something to read has usually been ended.
    """

    def handle(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        now = monotonic()
        if now - getattr(_thread, "last_request_at", now) >= TRUSTED_SECONDS:
            for database in connections.all(initialized_only=True):
                if _is_readable(database) and not database.is_usable():
                    database.close()
        _thread.last_request_at = now
        return application(environ, start_response)

    return handle


def _is_readable(database: BaseDatabaseWrapper) -> bool:
    if database.connection is None or database.connection.closed:
        return False
    poll = select.poll()
    poll.register(database.connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))

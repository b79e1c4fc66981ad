"""Connections to the database that are kept from request to request."""

import select
import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

# In a rush there is no time to end them unnoticed.
TRUSTED_SECONDS = 1.0

_thread = threading.local()


def with_live_connections(application: Application) -> Application:
    """Let go, before a request, of connections that the server has ended since the last one.

    As it does when it restarts, or somebody ends what is idle. They would fail the next request of
    their thread, though the server is there again. To ask it each time would cost a round trip; the
    socket knows: it has something to read, its end, where nothing was asked.
    """

    def handle(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        now = monotonic()
        if now - getattr(_thread, "begun_at", now) >= TRUSTED_SECONDS:
            for database in connections.all(initialized_only=True):
                if _has_news(database) and not database.is_usable():
                    database.close()
        _thread.begun_at = now
        return application(environ, start_response)

    return handle


def _has_news(database: BaseDatabaseWrapper) -> bool:
    if database.connection is None or database.connection.closed:
        return False
    waiting = select.poll()
    waiting.register(database.connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))

"""The database connections of the web server: their time limits, and checks before each reuse."""

import select
import threading
from collections.abc import Iterable
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from config.api.sql.requirements import check_server
from config.database import request_threads
from config.database.roles import check_role_parameters
from config.server.wsgi import Application

# After so short a pause a connection is not checked.
TRUSTED_SECONDS = 1.0
_thread = threading.local()


def use_pooler() -> None:
    """Connect by the pooler, if there is one. It applies to connections that are opened later."""
    if settings.POOLED_DATABASE:
        connections.settings[DEFAULT_DB_ALIAS].update(settings.POOLED_DATABASE)


def check_for_requests() -> None:
    """Raise `ImproperlyConfigured`, with one line, for a database that requests cannot use.

    Raises Django's database errors where there is none. Call `use_pooler` before.
    """
    try:
        check_server(connection)
        if settings.POOLED_DATABASE:
            check_role_parameters(connection)
    finally:
        connection.close()


def with_live_connections(application: Application) -> Application:
    """Close, before a request, the connections that the server has ended since the last one.

    The server ends them when it restarts, for example. Otherwise the thread's next request would
    fail. A query for the check would cost a round trip. Instead the socket is polled: an idle
    connection with something to read has usually been ended.
    """

    def handle(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request_threads.is_current = True
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

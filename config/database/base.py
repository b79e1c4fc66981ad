"""Django's PostgreSQL backend, with limits for a server that is old, frozen or read-only."""

from types import SimpleNamespace
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.postgresql import base

from config.api.sql.requirements import require_version
from config.api.sql.watched_connection import WatchedConnection

from . import CONNECT_SECONDS, MAX_BLOCKED_SECONDS, request_threads
from .options import STATEMENT_TIMEOUT
from .reachability import Reachability
from .schema import SchemaEditor


class DatabaseWrapper(base.DatabaseWrapper):
    # psycopg, with another class of connections
    Database: Any = SimpleNamespace(**{**vars(psycopg), "connect": WatchedConnection.connect})
    SchemaEditorClass = SchemaEditor

    def check_database_version_supported(self) -> None:
        """Django calls this for the first connection. Raises `ImproperlyConfigured`."""
        require_version(self)

    def get_connection_params(self) -> dict[str, Any]:
        """A statement of a request has a limit. A job or a migration may take minutes."""
        parameters: dict[str, Any] = super().get_connection_params()
        if request_threads.is_current and "options" in parameters:  # else the role has the limit
            # First, so that a limit in the URL takes precedence.
            parameters["options"] = (
                f"-c statement_timeout={STATEMENT_TIMEOUT} {parameters['options']}"
            )
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> WatchedConnection:
        server = _reachability(self.alias)
        with server.attempt():
            connection: WatchedConnection = super().get_new_connection(conn_params)
        if request_threads.is_current:
            connection.max_blocked_seconds = MAX_BLOCKED_SECONDS
            connection.on_timeout = server.suspend
            self.health_check_enabled = False  # `with_live_connections` checks it without a query.
        return connection

    def is_usable(self) -> bool:
        """Whether the connection works, and can write on the primary.

        After a fail-over, a connection to the former primary is replaced by one to the new primary.
        """
        if self.connection is None:
            return False
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SHOW transaction_read_only")
                (is_read_only,) = cursor.fetchone()
        except psycopg.Error:
            return False
        return self.alias != DEFAULT_DB_ALIAS or is_read_only == "off"


_servers: dict[str, Reachability] = {}


def _reachability(alias: str) -> Reachability:
    """That of a database of the settings, which all threads share."""
    return _servers.setdefault(alias, Reachability(CONNECT_SECONDS))

"""What the PostgreSQL server and the database have to offer, checked before a migration runs."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

MIN_VERSION = 15
EXTENSIONS = ("cube", "fuzzystrmatch", "pg_trgm", "unaccent")

_FACTS = """
    SELECT pg_encoding_to_char(encoding),
        ARRAY(
            SELECT name FROM unnest(%(extensions)s::text[]) AS required(name)
            WHERE name NOT IN (SELECT available.name FROM pg_available_extensions AS available)
        ),
        ARRAY(
            SELECT extname || ' in ' || nspname
            FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
            WHERE extname = ANY (%(extensions)s::text[]) AND nspname <> ALL (current_schemas(true))
            ORDER BY extname
        )
    FROM pg_database WHERE datname = current_database()
"""


def check_server(database: BaseDatabaseWrapper) -> None:
    """Raise `ImproperlyConfigured`, with one line, for a database that cannot be used.

    Opens a connection. Raises Django's database errors where there is none.
    """
    database.ensure_connection()
    with database.wrap_database_errors:
        # By the driver, since the web server's supervisor runs without Django's apps.
        cursor = database.connection.execute(_FACTS, {"extensions": list(EXTENSIONS)})
    encoding, unavailable, elsewhere = cursor.fetchone()
    if encoding != "UTF8":
        raise ImproperlyConfigured(
            f"The database has the encoding {encoding}. Create it with UTF8: "
            "createdb --encoding=UTF8 --template=template0 events"
        )
    if unavailable:
        raise ImproperlyConfigured(
            f"The PostgreSQL server has no extension {', '.join(unavailable)}. "
            "Install PostgreSQL's contrib modules on it."
        )
    if elsewhere:
        raise ImproperlyConfigured(
            f"Extensions are outside of the user's search_path: {', '.join(elsewhere)}."
        )


def require_version(database: BaseDatabaseWrapper) -> None:
    """Raise `ImproperlyConfigured` for an older server than `MIN_VERSION`."""
    major, minor = database.get_database_version()
    if major < MIN_VERSION:
        raise ImproperlyConfigured(
            f"PostgreSQL {MIN_VERSION} or later is required. The server is {major}.{minor}."
        )


def check_databases(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """A system check of the primary, which `migrate` and `check` run. Raises as `check_server`."""
    if databases and DEFAULT_DB_ALIAS in databases:
        check_server(connections[DEFAULT_DB_ALIAS])
    return []

"""The parameters of connections behind a pooler.

A pooler by transaction rejects or ignores the options of a connection, and a `SET` would apply to
the next transaction on the same server connection, whoever's it is. So the role has them, for this
database alone. `migrate` stores them by the direct address.
"""

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .options import ROLE_PARAMETERS

# `similarity` loads pg_trgm, which defines its parameter.
_VALUES = """
    WITH loaded AS MATERIALIZED (SELECT similarity('', ''))
    SELECT name, current_setting(name, true) FROM loaded, unnest(%s::text[]) AS name
"""


def after_migrations(using: str, **kwargs: Any) -> None:
    """Receiver of `post_migrate`."""
    if settings.POOLED_DATABASE and using == DEFAULT_DB_ALIAS:
        store_role_parameters(connections[using])


def store_role_parameters(database: BaseDatabaseWrapper) -> None:
    """Give the connecting role the parameters in this database. They apply to new connections."""
    quoted = database.ops.quote_name
    with database.cursor() as cursor:
        cursor.execute("SELECT current_database(), similarity('', '')")  # loads pg_trgm
        (name, _) = cursor.fetchone()
        for parameter, value in ROLE_PARAMETERS.items():
            cursor.execute(
                f"ALTER ROLE CURRENT_USER IN DATABASE {quoted(name)} SET {parameter} = %s", [value]
            )


def check_role_parameters(database: BaseDatabaseWrapper) -> None:
    """Raise `ImproperlyConfigured` where a connection lacks a parameter.

    Raises Django's database errors.
    """
    database.ensure_connection()
    with database.wrap_database_errors:  # by the driver, as in `check_server`
        cursor = database.connection.execute(_VALUES, [list(ROLE_PARAMETERS)])
    values = dict(cursor.fetchall())
    if values["timezone"] == "Etc/UTC":  # a pooler may pass on the server's name of the same zone
        values["timezone"] = "UTC"
    wrong = [
        f"{name} is {values[name]} instead of {value}"
        for name, value in ROLE_PARAMETERS.items()
        if values[name] != value
    ]
    if wrong:
        raise ImproperlyConfigured(
            f"Connections by DATABASE_URL have other parameters ({', '.join(wrong)}). Run "
            "`python manage.py migrate` with the same user in DATABASE_DIRECT_URL, and let the "
            "pooler reconnect."
        )

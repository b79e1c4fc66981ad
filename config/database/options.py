"""The options of connections, which libpq and PostgreSQL read."""

import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.process_names import process_name

from . import CONNECT_SECONDS

# A statement of a request that takes longer is cancelled, and the response is 503.
STATEMENT_TIMEOUT = "12s"

PARAMETERS = {
    # A lock that is not free in time becomes a 503 with Retry-After.
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "1min",
    # Requests share the cores. Parallel workers and JIT compilation slow other requests down more
    # than they speed one up, and start wherever an estimate is wrong.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # Disks have no penalty for random reads.
    "random_page_cost": "1.1",
    # The index's candidates for a misspelt word. The threshold is low, since two swapped letters
    # leave few equal trigrams. Edit distance decides (events/search).
    "pg_trgm.word_similarity_threshold": "0.25",
    "pg_trgm.similarity_threshold": "0.2",
}
# Behind a pooler, connections have these from their role.
ROLE_PARAMETERS = {**PARAMETERS, "statement_timeout": STATEMENT_TIMEOUT, "timezone": "UTC"}


def with_options(database: dict[str, Any], *, prepares: bool, options: str = "") -> dict[str, Any]:
    """The settings of a database with the common options.

    The query of its URL takes precedence over the common options, and `options` over both. Without
    `prepares` no statement is prepared, as behind a pooler that does not support it.
    """
    common = " ".join(f"-c {name}={value}" for name, value in PARAMETERS.items())
    own = database.get("OPTIONS", {}).get("options")
    parameters = " ".join(filter(None, [common, own, options]))
    settings = _with_limits(database, prepares=prepares)
    settings["OPTIONS"]["options"] = parameters
    return settings


def pooled(database: dict[str, Any], *, prepares: bool) -> dict[str, Any]:
    """The settings of a pooler by transaction: no option of a session, since poolers reject them.

    The role has them instead: see `config.database.roles`. Raises `ImproperlyConfigured`.
    """
    if "options" in database.get("OPTIONS", {}):
        raise ImproperlyConfigured(
            "DATABASE_URL must have no options where DATABASE_DIRECT_URL is set: "
            "a pooler rejects them. Set them for the role."
        )
    # Outside a transaction, each fetch of a cursor may reach another connection of the server.
    return _with_limits(database, prepares=prepares) | {"DISABLE_SERVER_SIDE_CURSORS": True}


def direct(database: dict[str, Any]) -> dict[str, Any]:
    """The settings of the database behind a pooler, for all but requests."""
    return with_options(database, prepares=True, options="-c statement_timeout=0")


def replica_of(database: dict[str, Any], *, prepares: bool) -> dict[str, Any]:
    """The settings of a replica, which is only read. Tests use the primary for it."""
    read_only = "-c default_transaction_read_only=on"
    replica = with_options(database, prepares=prepares, options=read_only)
    replica["OPTIONS"]["connect_timeout"] = 2  # reads fall back to the primary
    return replica | {"TEST": {"MIRROR": "default"}}


def _with_limits(database: dict[str, Any], *, prepares: bool) -> dict[str, Any]:
    return database | {
        # Each thread reuses its connection, since opening one costs more than most requests.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": CONNECT_SECONDS,
            # In pg_stat_activity. A name in the URL or in PGAPPNAME takes precedence.
            "fallback_application_name": process_name(sys.argv),
            # A host that has vanished is noticed within 15 s, by a connection that only reads too.
            "tcp_user_timeout": 10_000,  # milliseconds, for what was sent
            "keepalives_idle": 5,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            # For statements run with `prepare`.
            "prepare_threshold": 5 if prepares else None,
            **database.get("OPTIONS", {}),
        },
    }

"""Reduces the cost of many concurrent registrations for one event.

Nothing here decides about a registration: the database does, each time.
"""

import threading
import time
from typing import Any

from psycopg import Connection

_MILESTONES = frozenset(2**power for power in range(1, 11))
_statements = threading.local()

_sold_out: set[int] = set()
_MAX_SOLD_OUT = 10_000


def was_sold_out(event_id: int) -> bool:
    """Whether this process last saw the event without a free seat and refused a registration.

    The event is then read before the statement that could write. Without this, a request of a flash
    sale takes a quarter more CPU (docs/decisions/registration.md).
    """
    return event_id in _sold_out


def remember(event_id: int, *, is_sold_out: bool) -> None:
    if not is_sold_out:
        _sold_out.discard(event_id)
    elif len(_sold_out) < _MAX_SOLD_OUT:
        _sold_out.add(event_id)
    else:
        _sold_out.clear()


def plan_anew_while_tables_grow(connection: Connection[Any]) -> None:
    """Discards cached plans at this thread's 2nd, 4th, 8th … statement in a second.

    PostgreSQL caches plans, also those that check foreign keys. A plan that was made for an almost
    empty table scans the whole table. It stays in use until autovacuum analyzes the table, up to a
    minute later, which is too late for the first peak of a new installation.
    """
    second = int(time.monotonic())
    is_same_second = getattr(_statements, "second", None) == second
    _statements.second = second
    _statements.count = _statements.count + 1 if is_same_second else 1
    if _statements.count in _MILESTONES:
        connection.execute("DISCARD PLANS")

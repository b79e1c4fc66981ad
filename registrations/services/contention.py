"""Reduces the cost of many concurrent registrations for one event.

Nothing here decides about a registration: the database does, each time.
"""

import threading
from typing import Any

from psycopg import Connection

_statements = threading.local()

_sold_out: set[int] = set()
_MAX_SOLD_OUT = 10_000


def was_sold_out(event_id: int) -> bool:
    """Whether this process last saw the event without a free seat and refused a registration.

    The event is then read before the statement that could write. Without this, a request of a flash
    sale takes a quarter more CPU (docs/decisions/registration.md).
    """
    return event_id in _sold_out


def set_sold_out(event_id: int, is_sold_out: bool) -> None:
    if not is_sold_out:
        _sold_out.discard(event_id)
    elif len(_sold_out) < _MAX_SOLD_OUT:
        _sold_out.add(event_id)
    else:
        _sold_out.clear()


def discard_plans_for_small_tables(connection: Connection[Any]) -> None:
    """Discards cached plans at this thread's 2nd, 4th, 8th … registration.

    PostgreSQL caches plans, also those that check foreign keys. A plan that was made for an almost
    empty table scans the whole table. It stays in use until autovacuum analyzes the table, up to a
    minute later, which is too late for the first peak of a new installation: at 5,000 registrations
    each one takes twice the database's time (docs/decisions/registration.md).
    """
    _statements.count = getattr(_statements, "count", 0) + 1
    if _statements.count > 1 and _statements.count.bit_count() == 1:
        connection.execute("DISCARD PLANS")

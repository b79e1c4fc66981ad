"""What keeps a rush on one event cheap. It decides nothing: the database does, each time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection

from config.errors import TemporarilyUnavailable

_MILESTONES = frozenset(2**power for power in range(1, 11))
_rush = threading.local()

_turns = [threading.BoundedSemaphore(2) for _ in range(64)]
_PATIENCE_SECONDS = 5.0  # as for a lock in the database
_sold_out: set[int] = set()
_MOST_SOLD_OUT = 10_000


@contextmanager
def turn(event_id: int) -> Iterator[None]:
    """A few of this process at a time, but for an event that was full when last seen.

    Who waits for the event's row in the database costs it more than the work itself; here it costs
    nothing. In a transaction there are no turns: it may hold what those who have one wait for.
    """
    if event_id in _sold_out:
        yield
        return
    turns = _turns[event_id % len(_turns)]
    if not turns.acquire(timeout=_PATIENCE_SECONDS):
        raise TemporarilyUnavailable(headers={"Retry-After": "1"})
    try:
        yield
    finally:
        turns.release()


def was_sold_out(event_id: int) -> bool:
    """When this process last saw it: without a free seat, and somebody refused."""
    return event_id in _sold_out


def remember(event_id: int, *, is_sold_out: bool) -> None:
    if not is_sold_out:
        _sold_out.discard(event_id)
    elif len(_sold_out) < _MOST_SOLD_OUT:
        _sold_out.add(event_id)
    else:
        _sold_out.clear()


def plan_anew_while_tables_grow(connection: Connection[Any]) -> None:
    """At this thread's 2nd, 4th, 8th … statement in a second.

    Plans are kept, also those that check foreign keys. One that was made while a table was known to
    be almost empty reads all of it, and is used on until autovacuum looks at the table again, up to
    a minute later: by then the first rush on a young installation is over.
    """
    second = int(time.monotonic())
    is_going_on = getattr(_rush, "second", None) == second
    _rush.second, _rush.times = second, _rush.times + 1 if is_going_on else 1
    if _rush.times in _MILESTONES:
        connection.execute("DISCARD PLANS")

"""What keeps a rush on one event cheap. It decides nothing: the database does, each time."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import Connection

from config.errors import TemporarilyUnavailable

R = TypeVar("R")

_MILESTONES = frozenset(2**power for power in range(1, 11))
_rush = threading.local()

_MOST_OF_OTHERS = 3
_PATIENCE_SECONDS = 5.0  # as for a lock in the database
_sold_out: set[int] = set()
_MOST_SOLD_OUT = 10_000


class _Job(Generic[R]):
    def __init__(self, work: Callable[[], R]) -> None:
        self.work = work
        self.is_done = False
        self.error: BaseException | None = None
        self.asleep = threading.Lock()
        self.asleep.acquire()

    def do(self) -> None:
        try:
            self.answer = self.work()
        except BaseException as error:  # noqa: BLE001  # whose work it is gets it
            self.error = error
        self.is_done = True


class _Line:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting: deque[_Job[Any]] = deque()
        self.is_led = False

    def next(self) -> "_Job[Any] | None":
        with self.lock:
            return self.waiting.popleft() if self.waiting else None


_lines = [_Line() for _ in range(64)]


def in_line(event_id: int, work: Callable[[], R]) -> R:
    """Do `work` while no other of this process is at the event, perhaps in the thread of another.

    Who waits for the event's row in the database costs it more than the work itself, and threads
    that hand each other a turn wait for the interpreter each time. So whoever is at it does the
    work of a few who wait, too. An event that was full when last seen has no line. Not for inside a
    transaction: that may hold what those in the line wait for.

    Raises what `work` does, `TemporarilyUnavailable` when it takes too long until it is begun.
    """
    if event_id in _sold_out:
        return work()
    line, job = _lines[event_id % len(_lines)], _Job(work)
    with line.lock:
        leads = not line.is_led
        line.is_led = True
        if not leads:
            line.waiting.append(job)
    if not leads and not job.asleep.acquire(timeout=_PATIENCE_SECONDS):
        with line.lock:
            if job in line.waiting:
                line.waiting.remove(job)
                raise TemporarilyUnavailable(headers={"Retry-After": "1"})
        job.asleep.acquire()  # somebody has begun
    if not job.is_done:
        _lead(line, job)
    if job.error is not None:
        raise job.error
    return job.answer


def _lead(line: _Line, job: _Job[Any]) -> None:
    """Do it, and the work of a few who wait; then one of the others leads."""
    job.do()
    for _ in range(_MOST_OF_OTHERS):
        if job.error is not None or (other := line.next()) is None:
            break
        job = other
        job.do()
        if job.error is not None:  # its thread does not look after this one's connection
            connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
        job.asleep.release()
    with line.lock:
        heir = line.waiting.popleft() if line.waiting else None
        line.is_led = heir is not None
    if heir is not None:
        heir.asleep.release()


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

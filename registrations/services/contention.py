"""Reduces the cost of many concurrent registrations for one event.

Nothing here decides about a registration: the database does, each time.
"""

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
_statements = threading.local()

_MAX_JOBS_OF_OTHERS = 3
_MAX_WAIT_SECONDS = 5.0  # the same as for a lock in the database
_sold_out: set[int] = set()
_MAX_SOLD_OUT = 10_000


class _Job(Generic[R]):
    """A piece of work with its result; the thread that submitted it sleeps until it is done."""

    def __init__(self, work: Callable[[], R]) -> None:
        self.work = work
        self.is_done = False
        self.error: BaseException | None = None
        self.asleep = threading.Lock()
        self.asleep.acquire()

    def run(self) -> None:
        try:
            self.result = self.work()
        except BaseException as error:  # noqa: BLE001  # raised in the submitting thread
            self.error = error
        self.is_done = True


class _JobQueue:
    """The jobs for some of the events. One thread at a time is the leader, which runs them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pending: deque[_Job[Any]] = deque()
        self.has_leader = False

    def next(self) -> "_Job[Any] | None":
        with self.lock:
            return self.pending.popleft() if self.pending else None


_queues = [_JobQueue() for _ in range(64)]


def in_line(event_id: int, work: Callable[[], R]) -> R:
    """Runs `work` under this process's lock for the event, possibly in another thread.

    Blocking on the event's row costs the database more than the work itself, and threads that pass
    a lock to each other wait for the interpreter each time. So the leader of the queue also runs a
    few jobs of other threads. Work for an event that was last seen sold out is not queued. Must not
    be called inside a transaction, which may hold locks that the queued jobs need.

    Raises the errors of `work`, and `TemporarilyUnavailable` if the work does not begin in time.
    """
    if event_id in _sold_out:
        return work()
    queue, job = _queues[event_id % len(_queues)], _Job(work)
    with queue.lock:
        is_leader = not queue.has_leader
        queue.has_leader = True
        if not is_leader:
            queue.pending.append(job)
    if not is_leader and not job.asleep.acquire(timeout=_MAX_WAIT_SECONDS):
        with queue.lock:
            if job in queue.pending:
                queue.pending.remove(job)
                raise TemporarilyUnavailable(headers={"Retry-After": "1"})
        job.asleep.acquire()  # another thread is running the job
    if not job.is_done:
        _lead(queue, job)
    if job.error is not None:
        raise job.error
    return job.result


def _lead(queue: _JobQueue, job: _Job[Any]) -> None:
    """Runs the job and a few of the pending ones, then makes another thread the leader."""
    job.run()
    for _ in range(_MAX_JOBS_OF_OTHERS):
        if job.error is not None or (other := queue.next()) is None:
            break
        job = other
        job.run()
        if job.error is not None:  # the submitting thread does not check the connection of this one
            connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
        job.asleep.release()
    with queue.lock:
        next_leader = queue.pending.popleft() if queue.pending else None
        queue.has_leader = next_leader is not None
    if next_leader is not None:
        next_leader.asleep.release()


def was_sold_out(event_id: int) -> bool:
    """Whether this process last saw the event without a free seat and refused a registration."""
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

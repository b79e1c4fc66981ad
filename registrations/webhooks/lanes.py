"""Sends requests from a thread with an event loop: a lane for each webhook.

A lane has few requests in progress at a time, so a receiver that is slow takes nothing from the
others. A job that has not begun in time is returned, since its body may no longer be current.
"""

import asyncio
import logging
import random
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import uvloop

from ..models import WebhookDelivery
from .exchange import Client, NoResponse
from .outcomes import Outcome
from .signing import signature

logger = logging.getLogger(__name__)

# Requests in progress to one receiver: at first, and after successes and failures.
FIRST_REQUESTS = 5
MOST_REQUESTS = 32
FAILING_REQUESTS = 2
MAX_REQUESTS = 500  # to all receivers: a process may often open 1,024 files
# To all receivers of one account. Beyond it, each receiver has as many as one that fails.
MAX_REQUESTS_OF_OWNER = 10 * FIRST_REQUESTS
_MAX_AGE_SECONDS = 5.0
_USER_AGENT = "event-webhooks/1.0"


@dataclass(frozen=True)
class Job:
    """A rendered delivery. Every one of the secrets signs it."""

    delivery: WebhookDelivery
    url: str
    secrets: tuple[str, ...]
    body: bytes
    owner: int  # the account
    rendered_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Unbegun:
    """A job that was not attempted."""

    delivery: WebhookDelivery


@dataclass
class _Lane:
    waiting: deque[Job] = field(default_factory=deque)
    in_progress: int = 0
    allowed: int = FIRST_REQUESTS


class Lanes:
    """Limits the requests in progress to each receiver, so that a slow one delays only itself.

    The public methods are for one thread, which is not that of the event loop.
    """

    def __init__(self) -> None:
        self._done: SimpleQueue[Outcome | Unbegun] = SimpleQueue()
        self._lanes: dict[int, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._of_owners = Counter[int]()  # requests in progress
        self._held = defaultdict[int, set[int]](set)  # lanes that wait for others of their owner
        self._is_full = False
        self._loop = uvloop.new_event_loop()
        self._client = Client()
        self._thread = Thread(target=self._loop.run_forever, name="webhook-requests", daemon=True)
        self._thread.start()

    def submit(self, jobs: Iterable[Job]) -> None:
        self._loop.call_soon_threadsafe(self._add, list(jobs))

    def take_done(
        self, wait_seconds: float, gather_seconds: float = 0.0
    ) -> list[Outcome | Unbegun]:
        """What has ended. Waits for the first one, and then to gather more."""
        done: list[Outcome | Unbegun] = []
        with suppress(Empty):
            done.append(self._done.get(timeout=wait_seconds))
            time.sleep(gather_seconds)
            while True:
                done.append(self._done.get_nowait())
        return done

    def return_waiting(self) -> None:
        """Return the jobs that have not begun."""
        self._call(self._return_waiting)

    def abort(self) -> None:
        """End every request at once, without an outcome, and return the other jobs."""
        self._call(self._return_waiting)
        asyncio.run_coroutine_threadsafe(self._cancel_tasks(), self._loop).result()

    def keep_up(self) -> None:
        """Close idle connections, and return the jobs that wait for too long."""
        self._loop.call_soon_threadsafe(self._client.close_idle)
        self._loop.call_soon_threadsafe(self._return_old)

    def close(self) -> None:
        self.abort()
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- in the thread of the loop ---

    def _call(self, function: Callable[[], None]) -> None:
        async def call() -> None:
            function()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    def _add(self, jobs: list[Job]) -> None:
        touched = set()
        for job in jobs:
            pk = job.delivery.webhook_id
            self._lanes.setdefault(pk, _Lane()).waiting.append(job)
            touched.add(pk)
        for pk in touched:
            self._begin(pk)

    def _begin(self, pk: int) -> None:
        """Begin waiting jobs of a lane, or return those that are too old."""
        lane = self._lanes[pk]
        oldest = time.monotonic() - _MAX_AGE_SECONDS
        while lane.waiting and lane.in_progress < lane.allowed:
            if len(self._tasks) >= MAX_REQUESTS:
                self._is_full = True
                return
            owner = lane.waiting[0].owner
            is_busy = self._of_owners[owner] >= MAX_REQUESTS_OF_OWNER
            if is_busy and lane.in_progress >= FAILING_REQUESTS:
                self._held[owner].add(pk)
                return
            job = lane.waiting.popleft()
            if job.rendered_at < oldest:
                self._done.put(Unbegun(job.delivery))
                continue
            lane.in_progress += 1
            self._start(self._send(lane, job), owner)
        if not lane.waiting and not lane.in_progress and lane.allowed == FIRST_REQUESTS:
            del self._lanes[pk]

    def _start(self, coroutine: Coroutine[Any, Any, None], owner: int) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        self._of_owners[owner] += 1
        task.add_done_callback(lambda done: self._end(done, owner))

    def _end(self, task: asyncio.Task[None], owner: int) -> None:
        self._tasks.discard(task)
        self._of_owners[owner] -= 1
        if not self._of_owners[owner]:
            del self._of_owners[owner]
        free = self._held.pop(owner, set()) & self._lanes.keys()
        if self._is_full:
            self._is_full = False
            free = set(self._lanes)
        for pk in random.sample(list(free), len(free)):  # none is always first
            self._begin(pk)

    async def _send(self, lane: _Lane, job: Job) -> None:
        try:
            outcome = await _attempt(self._client, job)
        except Exception:
            logger.exception("the attempt of delivery %s failed", job.delivery.pk)
            now = datetime.now(UTC)
            outcome = Outcome(job.delivery, now, now, status=None, error="internal_error")
        finally:
            lane.in_progress -= 1
        self._done.put(outcome)
        if outcome.is_success:
            lane.allowed = min(max(2 * lane.allowed, FIRST_REQUESTS), MOST_REQUESTS)
        else:
            lane.allowed = FAILING_REQUESTS
        if outcome.delivery.webhook_id in self._lanes:
            self._begin(outcome.delivery.webhook_id)

    def _return_old(self) -> None:
        oldest = time.monotonic() - _MAX_AGE_SECONDS
        for lane in self._lanes.values():
            while lane.waiting and lane.waiting[0].rendered_at < oldest:
                self._done.put(Unbegun(lane.waiting.popleft().delivery))

    def _return_waiting(self) -> None:
        for lane in self._lanes.values():
            while lane.waiting:
                self._done.put(Unbegun(lane.waiting.popleft().delivery))

    async def _cancel_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._held.clear()
        self._lanes.clear()  # a task that was cancelled before it began has not counted itself


async def _attempt(client: Client, job: Job) -> Outcome:
    at = time.time()
    signatures = (signature(each, job.delivery.change, int(at), job.body) for each in job.secrets)
    headers = {
        "webhook-id": job.delivery.change,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": " ".join(signatures),
        "User-Agent": _USER_AGENT,
    }
    status: int | None = None
    error = retry_after = None
    excerpt = ""
    started = time.monotonic()
    try:
        if not job.secrets:
            raise NoResponse("secret_unreadable")
        response = await client.post(job.url, headers, job.body, owner=job.owner)
    except NoResponse as problem:
        error = str(problem)
    else:
        status, excerpt, retry_after = response.status, response.text, response.retry_after
    return Outcome(
        delivery=job.delivery,
        at=datetime.fromtimestamp(at, UTC),
        ended_at=datetime.fromtimestamp(at + time.monotonic() - started, UTC),
        status=status,
        error=error,
        excerpt=excerpt,
        retry_after=retry_after,
    )

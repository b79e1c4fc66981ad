"""Live seat counts of events, for streams: one query a second for all watched events.

`SeatWatch` runs in an event loop. `read_seats` queries the database, in a separate thread with one
connection.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from django.db import Error, connection
from django.utils import timezone
from prometheus_client import Counter as PrometheusCounter
from prometheus_client import Histogram

from config.api.http.negotiation import to_json
from config.errors import NotFound, RateLimited, TemporarilyUnavailable

from .access_keys import opens
from .models import Event

logger = logging.getLogger(__name__)

REFUSALS = PrometheusCounter("live_refusals", "Streams over a limit of viewers.", ["limit"])
QUERY_SECONDS = Histogram("live_query_seconds", "Seconds of the query for all watched events.")
QUERY_FAILURES = PrometheusCounter("live_query_failures", "Failed queries for watched events.")

QUERY_INTERVAL_SECONDS = 1.0
# A viewer that has no seats after this time gets an error.
FIRST_SEATS_TIMEOUT_SECONDS = 10
# One address may have a quarter of the viewers, so that it cannot use up all of them.
ADDRESS_SHARE_DIVISOR = 4
# The first lines of a stream: the milliseconds before a browser reconnects.
FIRST_LINES = b"retry: 3000\n\n"


class Lock(NamedTuple):
    """The columns of an unlisted event that its key depends on."""

    pk: int
    key_number: int
    is_unlisted: bool = True


@dataclass(frozen=True)
class Seats:
    """The seats of an event, as JSON with the field names of the event. None if it is deleted.

    `is_over` says that the seats are final: the event has ended or is cancelled. `lock` is what a
    key has to open: the row of an unlisted event. None is a public event.
    """

    data: bytes | None
    is_over: bool
    lock: "Lock | None" = None

    def are_open_to(self, key: str) -> bool:
        return self.lock is None or opens(key, self.lock)

    def message(self) -> bytes:
        """The bytes of a server-sent message. An event `end` follows the last one."""
        text = b""
        if self.data is not None:
            event_id = hashlib.blake2b(self.data, digest_size=6).hexdigest()
            text = b"id: %b\ndata: %b\n\n" % (event_id.encode(), self.data)
        return text + b"event: end\ndata: {}\n\n" if self.is_over else text


GONE = Seats(None, is_over=True)


def read_seats(event_ids: Collection[int]) -> dict[int, Seats]:
    """The seats of the published and cancelled events, by id. One query."""
    rows = (
        Event.objects.existing()
        .exclude(status=Event.Status.DRAFT)
        .filter(pk__in=event_ids)
        .only(
            "status", "start_time", "end_time", "max_capacity", "registered_count",
            "waitlist_enabled", "waitlist_count", "waitlist_guest_count", "oversized_count",
            "waitlist_policy", "registration_opens_at", "registration_closes_at", "visibility",
            "key_number",
        )
    )  # fmt: skip
    try:
        return {event.pk: _seats_of(event) for event in rows}
    except Error:
        connection.close()  # the next attempt opens another
        raise


def _seats_of(event: Event) -> Seats:
    fields = {
        "id": event.pk,
        "max_capacity": event.max_capacity,
        "registered_count": event.registered_count,
        "available_seats": event.available_seats,
        "waitlist_count": event.waitlist_count,
        "registration_state": event.registration_state,
    }
    has_ended = event.end_time <= timezone.now()
    lock = Lock(event.pk, event.key_number) if event.is_unlisted else None
    return Seats(to_json(fields), has_ended or event.status == Event.Status.CANCELLED, lock)


Reader = Callable[[Collection[int]], Mapping[int, Seats]]


class Watched:
    """An event and its viewers. A viewer gets the latest seats, not every state in between."""

    def __init__(self) -> None:
        self.viewers = 0
        self.seats: Seats | None = None
        self.changed = asyncio.get_running_loop().create_future()

    def publish(self, seats: Seats) -> None:
        if seats != self.seats:
            self.seats = seats
            self.changed.set_result(None)
            self.changed = asyncio.get_running_loop().create_future()


class SeatWatch:
    """The watched events of one process, with at most `max_viewers` viewers."""

    def __init__(self, max_viewers: int, read: Reader = read_seats) -> None:
        self._max_viewers = max_viewers
        self._read = read
        self._addresses: Counter[str] = Counter()
        self._watched: dict[int, Watched] = {}
        self._thread = ThreadPoolExecutor(1, "seats")
        self._polling: asyncio.Task[None] | None = None
        self._last_query = float("-inf")

    @property
    def viewer_count(self) -> int:
        return self._addresses.total()

    @property
    def event_count(self) -> int:
        return len(self._watched)

    @asynccontextmanager
    async def viewer(self, event_id: int, address: str, key: str = "") -> AsyncIterator[Watched]:
        """Watches an event. An unlisted one needs its key.

        Raises `NotFound`, `RateLimited`, `TemporarilyUnavailable`.
        """
        self._check_limits(address)
        self._addresses[address] += 1
        watched = self._watched.setdefault(event_id, Watched())
        watched.viewers += 1
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            if watched.seats is None:
                await asyncio.wait({watched.changed}, timeout=FIRST_SEATS_TIMEOUT_SECONDS)
            if watched.seats is None:
                raise TemporarilyUnavailable(retry_after=5)
            if watched.seats is GONE or not watched.seats.are_open_to(key):
                raise NotFound
            yield watched
        finally:
            watched.viewers -= 1
            if not watched.viewers:
                del self._watched[event_id]
            self._addresses -= Counter([address])

    def _check_limits(self, address: str) -> None:
        if self.viewer_count >= self._max_viewers:
            REFUSALS.labels("full").inc()
            raise TemporarilyUnavailable(
                "There are too many viewers. Read the event itself from time to time.",
                retry_after=30,
            )
        if self._addresses[address] >= max(1, self._max_viewers // ADDRESS_SHARE_DIVISOR):
            REFUSALS.labels("address").inc()
            raise RateLimited("Too many streams are open from your address.", retry_after=30)

    async def _poll(self) -> None:
        """Queries the seats once per interval while there are viewers."""
        loop = asyncio.get_running_loop()
        while self._watched:
            await asyncio.sleep(self._last_query + QUERY_INTERVAL_SECONDS - loop.time())
            watched_events = dict(self._watched)
            if not watched_events:
                return
            self._last_query = loop.time()
            try:
                with QUERY_SECONDS.time():
                    seats = await loop.run_in_executor(
                        self._thread, self._read, list(watched_events)
                    )
            except Exception as error:  # noqa: BLE001  # the next query may succeed
                QUERY_FAILURES.inc()
                logger.warning("seats were not read: %s", type(error).__name__)
            else:
                for event_id, watched in watched_events.items():
                    watched.publish(seats.get(event_id, GONE))

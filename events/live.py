"""Seats going in real time: who watches which events, and one query a second for all of them.

`SeatWatch` lives in an event loop; what it knows of the database is `read_seats`, which runs in a
thread of its own with one connection.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from django.db import Error, connection
from django.utils import timezone

from config.api.http.negotiation import to_json
from config.errors import NotFound, RateLimited, TemporarilyUnavailable

from .models import Event

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_QUERIES = 1.0
# A database that is away this long is an answer, too.
SECONDS_TO_THE_FIRST = 10
# Of all viewers, one address may be so many, lest one takes the places of all.
SHARE_OF_ONE_ADDRESS = 4
# Of a stream: how many milliseconds a browser waits before it comes back.
FIRST_LINES = b"retry: 3000\n\n"


@dataclass(frozen=True)
class Seats:
    """What a viewer is told: JSON with the names that the event has. None when it is deleted.

    `is_over`: nothing will change any more, as the event has ended or was cancelled.
    """

    data: bytes | None
    is_over: bool

    def message(self) -> bytes:
        """What a browser hands to `onmessage`; after the last one an event `end`."""
        text = b""
        if self.data is not None:
            event_id = hashlib.blake2b(self.data, digest_size=6).hexdigest()
            text = b"id: %b\ndata: %b\n\n" % (event_id.encode(), self.data)
        return text + b"event: end\ndata: {}\n\n" if self.is_over else text


GONE = Seats(None, is_over=True)


def read_seats(event_ids: Collection[int]) -> dict[int, Seats]:
    """Of those events that everybody may see. One query."""
    rows = (
        Event.objects.existing()
        .exclude(status=Event.Status.DRAFT)
        .filter(pk__in=event_ids)
        .only(
            "status", "start_time", "end_time", "max_capacity", "registered_count",
            "waitlist_enabled", "waitlist_count", "registration_opens_at",
            "registration_closes_at",
        )
    )  # fmt: skip
    try:
        return {event.pk: _seats_of(event) for event in rows}
    except Error:
        connection.close()  # the next attempt opens another
        raise


def _seats_of(event: Event) -> Seats:
    shown = {
        "id": event.pk,
        "max_capacity": event.max_capacity,
        "registered_count": event.registered_count,
        "available_seats": event.available_seats,
        "waitlist_count": event.waitlist_count,
        "registration_state": event.registration_state,
    }
    has_ended = event.end_time <= timezone.now()
    return Seats(to_json(shown), has_ended or event.status == Event.Status.CANCELLED)


Reader = Callable[[Collection[int]], Mapping[int, Seats]]


class Watched:
    """One event, for all who watch it. They see its latest state, not each one in between."""

    def __init__(self) -> None:
        self.viewers = 0
        self.seats: Seats | None = None
        self.changed = asyncio.get_running_loop().create_future()

    def tell(self, seats: Seats) -> None:
        if seats != self.seats:
            self.seats = seats
            self.changed.set_result(None)
            self.changed = asyncio.get_running_loop().create_future()


class SeatWatch:
    """The viewers of one process, at most `max_viewers`."""

    def __init__(self, max_viewers: int, read: Reader = read_seats) -> None:
        self._max_viewers = max_viewers
        self._read = read
        self._addresses: Counter[str] = Counter()
        self._watched: dict[int, Watched] = {}
        self._thread = ThreadPoolExecutor(1, "seats")
        self._polling: asyncio.Task[None] | None = None
        self._last_query = float("-inf")

    @asynccontextmanager
    async def viewer(self, event_id: int, address: str) -> AsyncIterator[Watched]:
        """Watch an event. Raises `NotFound`, `RateLimited`, `TemporarilyUnavailable`."""
        self._check_room(address)
        self._addresses[address] += 1
        watched = self._watched.setdefault(event_id, Watched())
        watched.viewers += 1
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            if watched.seats is None:
                await asyncio.wait({watched.changed}, timeout=SECONDS_TO_THE_FIRST)
            if watched.seats is None:
                raise TemporarilyUnavailable(headers={"Retry-After": "5"})
            if watched.seats is GONE:
                raise NotFound
            yield watched
        finally:
            watched.viewers -= 1
            if not watched.viewers:
                del self._watched[event_id]
            self._addresses -= Counter([address])

    def _check_room(self, address: str) -> None:
        if self._addresses.total() >= self._max_viewers:
            raise TemporarilyUnavailable(
                "As many watch as there is room for. Ask for the event itself now and then.",
                headers={"Retry-After": "30"},
            )
        if self._addresses[address] >= max(1, self._max_viewers // SHARE_OF_ONE_ADDRESS):
            raise RateLimited(
                "Too many streams are open from your address.", headers={"Retry-After": "30"}
            )

    async def _poll(self) -> None:
        """Ask as long as somebody watches, never twice within a second."""
        loop = asyncio.get_running_loop()
        while self._watched:
            await asyncio.sleep(self._last_query + SECONDS_BETWEEN_QUERIES - loop.time())
            asked = dict(self._watched)
            if not asked:
                return
            self._last_query = loop.time()
            try:
                found = await loop.run_in_executor(self._thread, self._read, list(asked))
            except Exception as error:  # noqa: BLE001  # viewers wait for the database to come back
                logger.warning("seats were not read: %s", type(error).__name__)
            else:
                for event_id, watched in asked.items():
                    watched.tell(found.get(event_id, GONE))

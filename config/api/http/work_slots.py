"""How much expensive work a process does at once, so that threads are left for short requests.

Each kind of work has a group of slots, which is a quarter of the process's threads (at least one).
A request that finds no slot free waits for one for a moment, together with few others; beyond that
it is answered 503 `temporarily_unavailable` with `Retry-After`. The groups and those who wait are
at most all threads, and who waits does so for `WAIT_SECONDS` at most.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from django.conf import settings

from config.errors import TemporarilyUnavailable

WAIT_SECONDS = 0.25


def quarter_of_threads() -> int:
    return max(1, int(settings.WEB_THREADS) // 4)


_waiting = BoundedSemaphore(quarter_of_threads())


class Slots:
    """The slots of one kind of work, in this process."""

    def __init__(self, detail: str, *, number: int, retry_seconds: int, waits: bool) -> None:
        self.detail = detail
        self.retry_seconds = retry_seconds
        self.waits = waits
        self._free = BoundedSemaphore(number)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Do work in a slot. Raises `TemporarilyUnavailable` when none gets free in time."""
        self.take()
        try:
            yield
        finally:
            self.give_back()

    def take(self) -> None:
        """Raises `TemporarilyUnavailable`."""
        if not (self._free.acquire(blocking=False) or (self.waits and self._take_in_a_moment())):
            raise TemporarilyUnavailable(
                self.detail, headers={"Retry-After": str(self.retry_seconds)}
            )

    def give_back(self) -> None:
        self._free.release()

    def _take_in_a_moment(self) -> bool:
        if not _waiting.acquire(blocking=False):
            return False
        try:
            return self._free.acquire(timeout=WAIT_SECONDS)
        finally:
            _waiting.release()


# Passwords: tens of milliseconds each, so that who waits a moment has one.
HASHING = Slots(
    "Many are signing in just now. Try again after the seconds in Retry-After.",
    number=quarter_of_threads(),
    retry_seconds=1,
    waits=True,
)
# Many rows in one request, read or written: seconds each.
ROWS = Slots(
    "Many rows are being read or written just now. Try again after the seconds in Retry-After.",
    number=quarter_of_threads(),
    retry_seconds=2,
    waits=True,
)
# Files on their way to readers of any speed.
FILES = Slots(
    "Many are downloading just now. Try again after the seconds in Retry-After.",
    number=quarter_of_threads(),
    retry_seconds=5,
    waits=False,
)

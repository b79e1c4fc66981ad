"""Limits of concurrent expensive work in a process, so that threads remain for short requests.

Each kind of work has a group of slots, a quarter of the process's threads (at least one). A request
without a free slot blocks for the seconds of its group at most. A quarter of the threads less the
one for images may block, and at least two, so that three quick clicks are all served. Other
requests get 503 `temporarily_unavailable` with `Retry-After`. With at least twelve threads, the
groups and the blocked requests are at most all threads. With fewer, expensive work can occupy all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from django.conf import settings

from config.errors import TemporarilyUnavailable


def quarter_of_threads() -> int:
    return max(1, int(settings.WEB_THREADS) // 4)


_waiters = BoundedSemaphore(max(2, quarter_of_threads() - 1))


class Slots:
    """The slots of one kind of work, in this process."""

    def __init__(
        self, detail: str, *, number: int, retry_seconds: int, wait_seconds: float
    ) -> None:
        self.detail = detail
        self.retry_seconds = retry_seconds
        self.wait_seconds = wait_seconds
        self._free = BoundedSemaphore(number)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Occupy a slot. Raises `TemporarilyUnavailable` when none becomes free in time."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def acquire(self) -> None:
        """Raises `TemporarilyUnavailable`."""
        if not (self._free.acquire(blocking=False) or self._acquire_after_waiting()):
            raise TemporarilyUnavailable(self.detail, retry_after=self.retry_seconds)

    def release(self) -> None:
        self._free.release()

    def _acquire_after_waiting(self) -> bool:
        if not _waiters.acquire(blocking=False):
            return False
        try:
            return self._free.acquire(timeout=self.wait_seconds)
        finally:
            _waiters.release()


# Passwords: tens of milliseconds each, so a slot becomes free within the wait.
HASHING = Slots(
    "Many are signing in just now. Try again after the seconds in Retry-After.",
    number=quarter_of_threads(),
    retry_seconds=1,
    wait_seconds=0.25,
)
# Many rows in one request, read or written: mostly less than a second, for thousands some seconds.
ROWS = Slots(
    "Many rows are being read or written just now. Try again after the seconds in Retry-After.",
    number=quarter_of_threads(),
    retry_seconds=2,
    wait_seconds=1,
)
# Images: up to seconds of the processor each, so one at a time.
IMAGES = Slots(
    "Many images are being read just now. Try again after the seconds in Retry-After.",
    number=1,
    retry_seconds=2,
    wait_seconds=0.25,
)
# Downloads to clients of any speed, most within a second.
FILES = Slots(
    "Many are downloading just now. Try again after the seconds in Retry-After.",
    number=quarter_of_threads(),
    retry_seconds=5,
    wait_seconds=1,
)

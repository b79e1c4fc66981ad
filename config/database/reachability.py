"""Whether a server takes connections, so that only one request at a time tries one that does not.

A connection to a server that is frozen, or behind a broken network, takes `connect_timeout` to
fail. If every request tried one, the queue of requests would grow for as long as the fault lasts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic

from psycopg import OperationalError
from psycopg.errors import ConnectionTimeout

RETRY_SECONDS = 1.0


class Reachability:
    """Of one server. Attempts to connect are unlimited until one ends by its time limit."""

    def __init__(self, attempt_seconds: float) -> None:
        self._attempt_seconds = attempt_seconds
        self._lock = Lock()
        self._retry_at: float | None = None  # None while the server responds

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """An attempt to connect. Raises `OperationalError` at once while the server is away."""
        self._begin()
        began_at = monotonic()
        try:
            yield
        except BaseException as error:
            # The error is that of the last address, so an earlier one may not have responded.
            is_late = monotonic() - began_at >= self._attempt_seconds
            if isinstance(error, ConnectionTimeout) or is_late:
                self.suspend()
            else:  # such as a refusal, which is a response
                self._retry_at = None
            raise
        self._retry_at = None

    def suspend(self) -> None:
        """The server does not respond. The next attempt is made in `RETRY_SECONDS`."""
        self._retry_at = monotonic() + RETRY_SECONDS

    def _begin(self) -> None:
        with self._lock:
            if self._retry_at is None:
                return
            now = monotonic()
            if now < self._retry_at:
                raise OperationalError("the database does not respond")
            # One attempt. The others fail until it has ended.
            self._retry_at = now + self._attempt_seconds + RETRY_SECONDS

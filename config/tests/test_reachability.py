"""Attempts to connect while a server does not respond."""

import pytest
from psycopg import OperationalError

from config.database import reachability
from config.database.reachability import Reachability


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that the test moves."""
    seconds = [0.0]
    monkeypatch.setattr(reachability, "monotonic", lambda: seconds[0])
    return seconds


def attempt(server: Reachability, clock: list[float], seconds: float, error: Exception) -> None:
    def connect() -> None:
        with server.attempt():
            clock[0] += seconds
            raise error

    with pytest.raises(type(error)):
        connect()


def test_attempt_whose_first_address_does_not_respond_suspends_others(clock):
    server = Reachability(attempt_seconds=4)

    attempt(server, clock, 4.1, OperationalError("connection refused by the last address"))

    with pytest.raises(OperationalError, match="does not respond"), server.attempt():
        pass
    clock[0] += 1
    with server.attempt():
        pass


def test_refused_attempt_suspends_no_other(clock):
    server = Reachability(attempt_seconds=4)

    attempt(server, clock, 0.1, OperationalError("connection refused"))

    with server.attempt():
        pass

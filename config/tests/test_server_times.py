"""Time limits for bodies and readers, with a clock of the test's own and no sockets."""

from types import SimpleNamespace

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from config.server.front import body_deadline
from config.server.protocol import CLOSE_SECONDS, SEND_SECONDS, Http1Protocol


def seconds_until_rejected(total: int, *, size: int, every: float) -> float | None:
    """When a body that arrives in such pieces is rejected; None if it arrives as a whole."""
    now = arrived = 0
    while arrived < total:
        deadline = body_deadline(arrived, 0, now)
        if now + every > deadline:
            return deadline
        now, arrived = now + every, arrived + size
    return None


def test_five_megabytes_over_a_slow_line_are_welcome():
    assert seconds_until_rejected(5_000_000, size=10_000, every=1) is None  # 80 kbit/s


@pytest.mark.parametrize(
    ("size", "every", "seconds"),
    [
        (100, 1, 22.2),  # 100 bytes a second, from 20 seconds on less than 1000 on average
        (1_000_000, 30, 20),  # fast, but nothing for so long
        (3_000, 1, 900),  # neither, and never done
    ],
)
def test_body_that_arrives_too_slowly_is_rejected(size, every, seconds):
    assert seconds_until_rejected(15_000_000, size=size, every=every) == pytest.approx(seconds)


class Timers:
    """Stands for the event loop."""

    def __init__(self) -> None:
        self.calls, self.cancelled = [], []

    def call_later(self, seconds, function):
        self.calls.append((seconds, function))
        return SimpleNamespace(cancel=lambda: self.cancelled.append(function))


class Transport:
    is_aborted = False
    is_closed = False
    unsent = 0

    def abort(self) -> None:
        self.is_aborted = True

    def get_extra_info(self, name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return self.is_aborted or self.is_closed

    def get_write_buffer_size(self) -> int:
        return self.unsent


@pytest.fixture
def connection() -> Http1Protocol:
    config = Config("config.asgi:application", interface="asgi3", ws="none", log_config=None)
    config.loaded, config.loaded_app, config.ws_protocol_class = True, None, None
    connection = Http1Protocol(config, ServerState(), {}, Timers())
    connection.connection_made(Transport())
    return connection


def test_reader_that_reads_nothing_is_disconnected(connection):
    connection.pause_writing()

    seconds, end = connection.loop.calls[-1]
    end()

    assert seconds == SEND_SECONDS
    assert connection.transport.is_aborted


def test_reader_that_goes_on_reading_stays(connection):
    connection.pause_writing()
    _, end = connection.loop.calls[-1]

    connection.resume_writing()

    assert connection.loop.cancelled == [end]


def test_slow_reader_of_a_large_response_stays(connection):
    connection.transport.unsent = 4_000_000
    connection.pause_writing()

    for unsent in (3_000_000, 2_999_999):
        connection.transport.unsent = unsent
        seconds, check = connection.loop.calls[-1]
        check()

        assert (seconds, connection.transport.is_aborted) == (SEND_SECONDS, False)

    connection.loop.calls[-1][1]()
    assert connection.transport.is_aborted


def test_unread_last_response_ends_the_connection(connection):
    connection.transport.is_closed, connection.transport.unsent = True, 50_000

    connection.on_response_complete()
    seconds, end = connection.loop.calls[-1]
    end()

    assert seconds == CLOSE_SECONDS
    assert connection.transport.is_aborted

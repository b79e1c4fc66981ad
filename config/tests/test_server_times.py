"""Which bodies are too slow, with a clock of the test's own and no sockets."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from config.server import connection as connection_module
from config.server.connection import BODY, BUSY, Connection
from config.server.limits import Limits

HEAD = b"POST /api/events/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
LIMITS = Limits(
    connections=10, head_seconds=20, idle_seconds=150, body_seconds=900, body_bytes_per_second=1000
)


class Transport:
    """Takes everything at once, unless `unsent` bytes wait."""

    def __init__(self) -> None:
        self.written = b""
        self.unsent = 0
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.is_aborted = True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(connection_module, "monotonic", lambda: found.now)
    return found


@pytest.fixture
def client(clock) -> Iterator[Connection]:
    front = SimpleNamespace(
        limits=LIMITS, waiting={}, receiving_bytes=0, is_stopping=False, environ_of=lambda _: {},
        opened=lambda _: None, closed=lambda _: None, body_limit=lambda path: 20_000_000,
        handle=lambda connection, request: None,
        rejection=lambda environ, status, reason: b"rejected %d" % status,
    )  # fmt: skip
    found = Connection(front)
    found.connection_made(Transport())
    yield found
    if found.request is not None and "wsgi.input" in found.request.environ:
        found.request.environ["wsgi.input"].close()


def send(client: Connection, clock: Clock, pieces: int, *, size: int, every: float) -> None:
    """As many pieces of a body, with the server's look at the time each second between them."""
    for _ in range(pieces):
        until = clock.now + every
        while clock.now < until and client.state == BODY:
            clock.now += 1
            client.check_time(clock.now)
        if client.state == BODY:
            client.data_received(b"x" * size)


def test_five_megabytes_over_a_slow_line_are_welcome(client, clock):
    client.data_received(HEAD % 5_000_000)

    send(client, clock, 500, size=10_000, every=1)  # 80 kbit/s, for more than eight minutes

    assert (client.state, client.transport.written) == (BUSY, b"")


@pytest.mark.parametrize(
    ("size", "every", "seconds"),
    [
        (100, 1, 23),  # 100 bytes a second, from 20 seconds on less than 1000 on average
        (1_000_000, 30, 21),  # fast, but nothing for so long
        (3_000, 1, 901),  # neither, and never done
    ],
)
def test_a_body_that_comes_too_slowly_is_ended(client, clock, size, every, seconds):
    began = clock.now
    client.data_received(HEAD % 15_000_000)

    send(client, clock, 2000, size=size, every=every)

    assert client.transport.written == b"rejected 408"
    assert clock.now - began == seconds


def test_a_reader_is_let_go_when_nothing_is_taken(client, clock):
    client.data_received(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.send(b"x" * 1000)

    for unsent in [*range(1000, 0, -1)]:  # slow, but it takes something
        client.transport.unsent = unsent
        clock.now += 1
        client.check_time(clock.now)
    was_kept = not client.transport.is_aborted
    clock.now += LIMITS.send_seconds + 1
    client.check_time(clock.now)

    assert was_kept
    assert client.transport.is_aborted


def test_a_body_that_is_ended_no_longer_counts(client, clock):
    client.data_received(HEAD % 1000 + b"x" * 500)
    counted = client.front.receiving_bytes

    send(client, clock, 1, size=1, every=30)

    assert (counted, client.front.receiving_bytes) == (500, 0)

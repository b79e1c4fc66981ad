"""One client: its deadlines, its requests one after another, and what it is sent."""

import asyncio
import math
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from .http1 import (
    MAX_HEAD_BYTES,
    BadRequest,
    Body,
    ChunkedBody,
    Request,
    SizedBody,
    parse_head,
)

if TYPE_CHECKING:
    from .front import Front

# What a client may send ahead while its request is worked on.
_MAX_BYTES_AHEAD = 64 * 1024

IDLE, HEAD, BODY, BUSY, LINGERING, CLOSED = range(6)


class Connection(asyncio.Protocol):
    """Lives in the event loop. Other threads reach it by `Front.post` alone.

    `deadline`: when the client has taken too long for what it is at (`state`).
    `writable` is for the thread that sends pieces: set while the client takes them, or has left.
    """

    def __init__(self, front: "Front") -> None:
        self.front = front
        self.state = IDLE
        self.deadline = math.inf
        self.request: Request | None = None
        self.writable = Event()
        self.is_clogged = False
        self._received = b""
        self._body: Body | None = None
        self._body_began = 0.0
        self._unread = 0  # bytes of a body that are discarded, at most
        self._is_paused = False
        self._unsent = 0
        self._took_at = 0.0
        self._left: asyncio.Future[None] | None = None
        self._has_eof = False

    # --- Receiving ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.environ = self.front.environ_of(self.transport)
        self.writable.set()
        self.front.opened(self)
        # The same for who says nothing and who is slow to say it.
        self.deadline = monotonic() + self.front.limits.head_seconds

    def data_received(self, data: bytes) -> None:
        if self.state == BODY:
            self._read_body(data)
        elif self._unread:
            self._unread -= len(data)
            if self._unread <= 0:
                self._unread = 0
                self.transport.abort() if self.state == LINGERING else self._pause()
        elif self.state == LINGERING:
            pass
        else:
            self._received = self._received + data if self._received else data
            if self.state != BUSY:
                self._read_head()
            elif len(self._received) > _MAX_BYTES_AHEAD:
                self._pause()

    def eof_received(self) -> bool:
        """Whether there is something to send still."""
        self._has_eof = True
        if self._left is not None and not self._left.done():
            self._left.set_result(None)
        return self.state == BUSY and self._left is None

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = CLOSED
        self.front.closed(self)
        if self._body is not None:
            self._forget_body()
        self.writable.set()
        if self._left is not None and not self._left.done():
            self._left.set_result(None)

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def _read_head(self) -> None:
        if self.state not in {IDLE, HEAD}:
            return
        if self.state == IDLE:
            # A line end too many behind the last body (RFC 9112, section 2.2).
            self._received = self._received.lstrip(b"\r\n")
            if not self._received:
                return
        end = self._received.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        if end < 0:
            if len(self._received) >= MAX_HEAD_BYTES:
                self._reject(f"The head is larger than {MAX_HEAD_BYTES} bytes.")
            elif b"\n\n" in self._received:
                self._reject("Lines end with CR and LF.")
            elif self.state == IDLE:
                self.state = HEAD
                self.deadline = min(self.deadline, monotonic() + self.front.limits.head_seconds)
            return
        head, self._received = self._received[:end], self._received[end + 4 :]
        try:
            self.request = parse_head(head.decode("latin-1"), self.environ)
        except BadRequest as error:
            self._reject(str(error))
            return
        self.front.waiting.pop(self, None)
        if self.request.length is None:
            self._work()
        else:
            self._begin_body(self.request, self.request.length)

    def _begin_body(self, request: Request, length: int) -> None:
        limit = self.front.body_limit(request.environ["PATH_INFO"])
        if length > limit:
            self._leave_unread(limit)
            return
        self._body = ChunkedBody(limit) if length < 0 else SizedBody(length, limit)
        self.state = BODY
        self._body_began = monotonic()
        self.deadline = self._body_began + self.front.limits.body_pause_seconds
        data, self._received = self._received, b""
        if data:
            self._read_body(data)
        elif request.expects_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_body(self, data: bytes) -> None:
        body, request = self._body, self.request
        assert body is not None  # noqa: S101  # nosec  # for mypy
        assert request is not None  # noqa: S101  # nosec
        before = body.size
        try:
            self._received = body.feed(data)
        except BadRequest as error:
            self._reject(str(error))
            return
        self.front.receiving_bytes += body.size - before
        if body.is_too_large:
            request.environ["CONTENT_LENGTH"] = str(body.limit + 1)
            self._forget_body()
            self._leave_unread(body.limit)
        elif body.is_complete:
            request.environ["CONTENT_LENGTH"] = str(body.size)
            request.environ["wsgi.input"] = body.file()
            self.front.receiving_bytes -= body.size
            self._body = None
            self._work()
        elif self.front.receiving_bytes > self.front.limits.receiving_bytes:
            self._reject_request(503)
        else:
            self._set_body_deadline(body)

    def _set_body_deadline(self, body: Body) -> None:
        """Slow lines are welcome, and nobody holds a connection by a byte now and then."""
        limits, now = self.front.limits, monotonic()
        pause = limits.body_pause_seconds
        self.deadline = min(
            now + pause,
            self._body_began + pause + body.size / limits.body_bytes_per_second,
            self._body_began + limits.body_seconds,
        )

    def _forget_body(self) -> None:
        if self._body is not None:
            self.front.receiving_bytes -= self._body.size
            self._body.close()
            self._body = None

    def _leave_unread(self, limit: int) -> None:
        """The body is too large: the application says so, and the connection ends after that."""
        assert self.request is not None  # noqa: S101  # nosec
        self.request = self.request._replace(is_kept=False)
        self._unread, self._received = limit + 1, b""
        self._work()

    def _work(self) -> None:
        assert self.request is not None  # noqa: S101  # nosec
        self.state = BUSY
        self.deadline = math.inf
        self.front.handle(self, self.request)

    # --- Sending --------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """A piece of a response; more follow."""
        if self.state == CLOSED:
            self.writable.set()
            return
        if not self.transport.get_write_buffer_size():
            self._took_at = monotonic()
        self.transport.write(data)
        if not self.is_clogged:
            self.writable.set()

    def finish(self, data: bytes, is_kept: bool) -> None:
        """The last piece, or the only one; then comes the next request, or the end."""
        self.request = None
        if self.state == CLOSED:
            return
        if data:
            self.send(data)
        self._left = None
        if self._unread or self._has_eof or not is_kept or self.front.is_stopping:
            self.end()
            return
        self.state = IDLE
        self.deadline = monotonic() + self.front.limits.idle_seconds
        self.front.waiting[self] = None
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        if self._received:
            # By the loop, as many short requests sent at once would be as many calls deep.
            self.front.loop.call_soon(self._read_head)

    def end(self) -> None:
        """Close when everything is sent and the client has stopped.

        A socket that is closed with something unread resets the connection, and the client may
        lose the response that it was just sent (RFC 9112, section 9.6).
        """
        if self.state == CLOSED:
            return
        self.front.waiting.pop(self, None)
        self._forget_body()
        self.state = LINGERING
        self._received = b""
        self.deadline = monotonic() + self.front.limits.linger_seconds
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        if self._has_eof:
            self.transport.close()
        else:
            self.transport.write_eof()

    @property
    def has_unsent(self) -> bool:
        return self.transport.get_write_buffer_size() > 0

    def abort(self) -> None:
        self.transport.abort()

    def left(self) -> "asyncio.Future[None]":
        """Done when the client is gone, for a response that has no end of its own."""
        if self._left is None:
            self._left = self.front.loop.create_future()
            if self.state == CLOSED:
                self._left.set_result(None)
        return self._left

    def pause_writing(self) -> None:
        self.is_clogged = True
        self.writable.clear()

    def resume_writing(self) -> None:
        self.is_clogged = False
        self.writable.set()

    # --- Time -----------------------------------------------------------------------------------

    def check_time(self, now: float) -> None:
        """Called about once a second."""
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            if unsent != self._unsent:
                self._took_at = now
            elif now - self._took_at > self.front.limits.send_seconds:
                self.abort()
            elif self.state == LINGERING:
                self.deadline = now + self.front.limits.linger_seconds
        self._unsent = unsent
        if now <= self.deadline:
            return
        if self.state == BODY:
            self._reject_request(408)
        elif self.state == HEAD:
            self._reject("The head took too long.")
        elif self.state == IDLE:
            self.transport.close()
        else:
            self.abort()

    def _reject(self, reason: str) -> None:
        """What was sent is no request, so nobody knows where the next one begins."""
        environ = {**self.environ, "REQUEST_METHOD": "GET", "PATH_INFO": "/api/"}
        self._send_rejection(environ, 400, reason)

    def _reject_request(self, status: int) -> None:
        assert self.request is not None  # noqa: S101  # nosec
        self._send_rejection(self.request.environ, status, "")

    def _send_rejection(self, environ: dict[str, Any], status: int, reason: str) -> None:
        response = self.front.rejection(environ, status, reason)
        self._unread = self.front.body_limit("") + 1
        self.finish(response, is_kept=False)

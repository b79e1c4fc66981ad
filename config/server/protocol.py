"""uvicorn's HTTP/1.1 with time limits for heads, idle connections and unread responses."""

import asyncio
import re
from collections.abc import Collection
from functools import partial
from typing import Any, ClassVar

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from config import errors

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 200
# Requests that are sent ahead of an earlier response. More end the connection.
MAX_PIPELINED = 256
# The maximum time for which a client reads nothing of its response.
SEND_SECONDS = 300
# The maximum time for the rest of a last response.
CLOSE_SECONDS = 120
# How long a process that stops reads from idle connections, whose requests may be on their way.
LAST_REQUEST_SECONDS = 1

# Characters that a header's value must not have (RFC 9110, section 5.5).
_CONTROL = re.compile(b"[\x00-\x08\x0a-\x1f\x7f]")


class Http1Protocol(HttpToolsProtocol):
    """One connection. It ends when

    - a head is not complete within HEAD_SECONDS (408) or longer than MAX_HEAD_BYTES (400),
    - the framing of a body (chunk sizes, trailers) is much longer than the body (400),
    - nothing is sent between two requests for IDLE_SECONDS (uvicorn's keep-alive timeout),
    - a response is not read for SEND_SECONDS,
    - the process has more than WEB_CONNECTIONS, and this one has been idle the longest.
    """

    # The process's connections between two requests, the longest idle first.
    idle: ClassVar[dict["Http1Protocol", None]] = {}
    # All of its connections, as uvicorn counts them.
    open: ClassVar[Collection[Any]] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._responding: RequestResponseCycle | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._is_in_head = self._is_in_body = False
        self._header_count = self._header_bytes = 0
        self._head_bytes = 0
        self._body_bytes = self._bytes_of_body_segments = 0
        self._is_last_request = False
        self._close_longest_idle()
        Http1Protocol.open = self.connections
        self.idle[self] = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.idle.pop(self, None)
        self.pipeline.clear()
        if self._is_responding():
            # uvicorn marks the last received request, which may be a later one.
            self._responding.disconnected = True  # type: ignore[union-attr]
            self._responding.message_event.set()  # type: ignore[union-attr]
        self._unset_keepalive_if_required()
        for timer in (self._head_timer, self._send_timer):
            if timer is not None:
                timer.cancel()

    def _close_longest_idle(self) -> None:
        if len(self.connections) > settings.WEB_CONNECTIONS:
            longest = next(iter(self.idle), self)
            self.idle.pop(longest, None)
            longest.transport.abort()

    def shutdown(self) -> None:
        """The process stops. A request that has begun or is on its way gets a last response.

        uvicorn closes a connection between two requests at once, and a request that the client has
        just sent is lost, as the first one of a new connection.
        """
        self._is_last_request = True
        if self._is_responding():
            super().shutdown()
        else:
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        if not (self._is_responding() or self._is_in_head):
            self.transport.close()

    def _is_responding(self) -> bool:
        return self._responding is not None and not self._responding.response_complete

    # --- Requests -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        began_in_head, began_in_body = self._is_in_head, self._is_in_body
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not (self._is_responding() or self._is_in_body):
            self._expect_head()  # also after line ends that do not begin a request
        if began_in_head and self._is_in_head:  # the parser reports a field once it is complete
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response(f"The head is larger than {MAX_HEAD_BYTES} bytes.")
        elif began_in_body and self._is_in_body:
            # The parser does not limit trailers and chunk extensions.
            self._bytes_of_body_segments += len(data)
            if self._bytes_of_body_segments > 8 * self._body_bytes + MAX_HEAD_BYTES:
                self.send_400_response("The body is sent in chunks that are too small.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["abort"] = self.transport.abort
        self._is_in_head = True
        self._header_count = self._header_bytes = self._head_bytes = 0
        self._expect_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._header_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Raises `ValueError`, for which uvicorn responds with 400."""
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if self._header_count > MAX_HEADERS or self._header_bytes > MAX_HEAD_BYTES:
            raise ValueError("too many or too long header fields")
        # Trailers are passed here as well. They are dropped, since they could imitate headers
        # that a proxy sets (RFC 9110, section 6.5.1).
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Raises `ValueError`, for which uvicorn responds with 400."""
        self._is_in_head, self._is_in_body = False, True
        self._body_bytes = self._bytes_of_body_segments = 0
        self.idle.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        version = self.parser.get_http_version()
        has_host = any(name == b"host" for name, _ in self.headers)
        if version not in {"1.0", "1.1"} or (version == "1.1" and not has_host):
            raise ValueError("not HTTP/1.1 with a Host (RFC 9112, section 3.2)")
        super().on_headers_complete()
        # The parser reads nothing after a request for an upgrade.
        if self._is_last_request or self.parser.should_upgrade():
            self.cycle.keep_alive = False
        if len(self.pipeline) > MAX_PIPELINED:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()

    def _expect_head(self) -> None:
        if self._head_timer is None and self.timeout_keep_alive_task is None:
            self._head_timer = self.loop.call_later(settings.HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self._is_responding():
            self._expect_head()  # the next head is not due yet
        elif self._is_in_head:
            self._send_problem(errors.RequestTimeout("The head of the request took too long."))
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Respond with 400 and close, since the start of the next request is unknown."""
        if not self.transport.is_closing():
            self._send_problem(errors.MalformedRequest(f"{msg} Send HTTP/1.1 here."))

    def _send_problem(self, error: errors.DomainError) -> None:
        from .front import problem_of  # noqa: PLC0415  # the supervisor imports this module too

        if self._is_responding():
            self.transport.abort()  # otherwise it would be written into that response
            return
        status, headers, body = problem_of(error, "")
        fields = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        head = b"HTTP/1.1 %d \r\n%bconnection: close\r\n\r\n" % (status, fields)
        self.transport.write(head + body)
        self.transport.close()
        self._watch_close()

    def _unsupported_upgrade_warning(self) -> None:
        """Upgrades to HTTP/2 or WebSocket are ignored (RFC 9110, section 7.8)."""

    # --- Responses ------------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._responding = cycle
        state = cycle.scope["state"]
        state["respond"] = partial(self._respond, cycle)
        state["take_body"] = partial(_take_body, cycle)
        super()._start_asgi_task(cycle, app)

    async def _respond(
        self,
        cycle: RequestResponseCycle,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
    ) -> None:
        """Send a whole response, whose headers include its length.

        uvicorn's `send` writes head and body separately and checks each header by itself, which
        takes longer.
        """
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        if _CONTROL.search(b"".join([value for _, value in headers])):
            raise ValueError("a control character in a header of the response")
        pieces = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            if len(name) == 10 and name.lower() == b"connection":
                cycle.keep_alive &= b"close" not in value.lower()
            else:
                pieces += (name, b": ", value, b"\r\n")
        pieces.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
        if cycle.scope["method"] != "HEAD":
            pieces.append(body)
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self.transport.write(b"".join(pieces))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_responding():  # to a pipelined request
            if self.pipeline:
                self.flow.pause_reading()  # uvicorn would read on, however many are queued
        elif not self.transport.is_closing():
            self.idle[self] = None
        self._watch_close()

    def _watch_close(self) -> None:
        """Limit the time of closing, which blocks until the client has read everything."""
        is_unsent = self.transport.is_closing() and self.transport.get_write_buffer_size() > 0
        if is_unsent and self._send_timer is None:
            self._send_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._send_timer is None:
            self._watch_reader()

    def _watch_reader(self) -> None:
        """Limit the time in which the client reads nothing. A slow reader is left alone."""
        unsent = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() < unsent:
                self._watch_reader()
            else:
                self.transport.abort()

        self._send_timer = self.loop.call_later(SEND_SECONDS, check)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None
        self._watch_close()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()


def _take_body(cycle: RequestResponseCycle) -> bytes | None:
    """The body, if all of it has arrived; it often comes together with the head."""
    if cycle.more_body:
        return None
    body, cycle.body = bytes(cycle.body), bytearray()
    return body

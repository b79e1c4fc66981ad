"""uvicorn's HTTP/1.1 with time limits for heads, idle connections and unread responses."""

import asyncio
from typing import ClassVar

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config import errors

MAX_HEAD_BYTES = 64 * 1024
# A client takes nothing of its response for so long.
SEND_SECONDS = 300


class Http1Protocol(HttpToolsProtocol):
    """One connection. It ends when

    - a head is not complete within HEAD_SECONDS (408) or longer than MAX_HEAD_BYTES (400),
    - nothing is sent between two requests for IDLE_SECONDS (uvicorn's keep-alive timeout),
    - a response is not taken for SEND_SECONDS,
    - the process has WEB_CONNECTIONS, and this one has been waiting the longest.
    """

    # Connections of the process between two requests, the longest waiting first.
    waiting: ClassVar[dict["Http1Protocol", None]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._make_room()
        self.waiting[self] = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.waiting.pop(self, None)
        self._unset_keepalive_if_required()
        for timer in (self._head_timer, self._send_timer):
            if timer is not None:
                timer.cancel()

    def _make_room(self) -> None:
        if len(self.connections) > settings.WEB_CONNECTIONS:
            longest = next(iter(self.waiting), self)
            self.waiting.pop(longest, None)
            longest.transport.abort()

    # --- Heads ----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        is_between = self.cycle is None or self.cycle.response_complete
        if is_between and not self.transport.is_closing():
            self._expect_head()  # also of line ends that begin no request
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response(f"The head is larger than {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["abort"] = self.transport.abort
        self._expect_head()

    def on_headers_complete(self) -> None:
        self.waiting.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not (self.pipeline or self.transport.is_closing()):
            self.waiting[self] = None

    def _expect_head(self) -> None:
        if self._head_timer is None and self.timeout_keep_alive_task is None:
            self._head_bytes = 0
            self._head_timer = self.loop.call_later(settings.HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        if self.transport.is_closing():
            return
        if self._head_bytes:
            self._send_problem(errors.RequestTimeout("The head of the request took too long."))
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What was sent is no request, so nothing says where the next one begins."""
        if not self.transport.is_closing():
            self._send_problem(errors.MalformedRequest(f"{msg} Send HTTP/1.1 here."))

    def _send_problem(self, error: errors.DomainError) -> None:
        from .front import problem_of  # noqa: PLC0415  # the supervisor imports this module too

        status, headers, body = problem_of(error, "")
        fields = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        head = b"HTTP/1.1 %d \r\n%bconnection: close\r\n\r\n" % (status, fields)
        self.transport.write(head + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """A request to change to HTTP/2 or WebSocket is answered as any other (RFC 9110, 7.8)."""

    # --- Responses ------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_timer = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def timeout_keep_alive_handler(self) -> None:
        """Closing waits until everything is sent, and a client that takes nothing never lets it."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

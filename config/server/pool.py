"""The threads that run the WSGI application (PEP 3333)."""

import logging
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from .connection import CLOSED, Connection
from .http1 import Request

if TYPE_CHECKING:
    from .front import Front

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Headers = list[tuple[str, str]]

logger = logging.getLogger(__name__)

# A stream whose length is known is sent by the loop as a whole up to here, and keeps no thread.
_MAX_WHOLE_BYTES = 4 * 1024 * 1024
_STATUSES_WITHOUT_BODY = ("204", "304")

_date: tuple[int, str] = (-1, "")


class Pool:
    """Threads that take requests from one queue."""

    def __init__(self, front: "Front", application: Application, threads: int, name: str) -> None:
        self._front = front
        self._application = application
        self._waiting: SimpleQueue[tuple[Connection, Request]] = SimpleQueue()
        for number in range(threads):
            Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    @property
    def backlog(self) -> int:
        """Requests that wait for a thread."""
        return self._waiting.qsize()

    def submit(self, connection: Connection, request: Request) -> None:
        self._waiting.put((connection, request))

    def _work(self) -> None:
        while True:
            connection, request = self._waiting.get()
            try:
                self.run(connection, request)
            except Exception:
                logger.exception("the application failed outside its own handlers")
                self._front.post(connection.abort)
            finally:
                request.environ["wsgi.input"].close()
            del connection, request  # or they live until the next request

    def run(self, connection: Connection, request: Request) -> None:
        response = _Response()
        result = self._application(request.environ, response.start)
        try:
            if not getattr(result, "streaming", False) or response.length() <= _MAX_WHOLE_BYTES:
                self._send_whole(connection, request, response, b"".join(result))
            else:
                self._send_pieces(connection, request, response, result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _send_whole(
        self, connection: Connection, request: Request, response: "_Response", body: bytes
    ) -> None:
        headers = response.headers
        if not response.has("content-length") and response.may_have_body:
            headers = [*headers, ("Content-Length", str(len(body)))]
        is_kept = request.is_kept and not self._front.is_stopping
        head = head_of(response.status, headers, request, is_kept)
        if request.environ["REQUEST_METHOD"] == "HEAD" or not response.may_have_body:
            body = b""
        self._front.post(connection.finish, head + body, is_kept)

    def _send_pieces(
        self,
        connection: Connection,
        request: Request,
        response: "_Response",
        pieces: Iterable[bytes],
    ) -> None:
        """As fast as the client takes them: this thread waits where it does not."""
        is_chunked = not (response.has("content-length") or request.is_http_1_0)
        is_kept = request.is_kept and (is_chunked or response.has("content-length"))
        is_kept = is_kept and not self._front.is_stopping
        headers = response.headers
        if is_chunked:
            headers = [*headers, ("Transfer-Encoding", "chunked")]
        head = head_of(response.status, headers, request, is_kept)
        if request.environ["REQUEST_METHOD"] == "HEAD":
            self._front.post(connection.finish, head, is_kept)
            return
        self._send_piece(connection, head)
        for piece in pieces:
            if connection.state == CLOSED:
                return
            if piece:
                self._send_piece(connection, chunk(piece) if is_chunked else piece)
        connection.writable.wait()
        self._front.post(connection.finish, LAST_CHUNK if is_chunked else b"", is_kept)

    def _send_piece(self, connection: Connection, piece: bytes) -> None:
        connection.writable.wait()
        if connection.state != CLOSED:
            connection.writable.clear()
            self._front.post(connection.send, piece)


class _Response:
    """What an application says before its body."""

    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.headers: Headers = []

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> None:
        """PEP 3333's `start_response`, without its `write`, which Django does not need."""
        self.status, self.headers = status, headers

    @property
    def may_have_body(self) -> bool:
        return not self.status.startswith(_STATUSES_WITHOUT_BODY)

    def has(self, name: str) -> bool:
        return any(given.lower() == name for given, _ in self.headers)

    def length(self) -> float:
        """Bytes of the body, where they are known."""
        for name, value in self.headers:
            if name.lower() == "content-length":
                return int(value)
        return float("inf")


LAST_CHUNK = b"0\r\n\r\n"


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def head_of(status: str, headers: Headers, request: Request | None, is_kept: bool) -> bytes:
    """The head of a response, with `Date` and, where it is not the default, `Connection`."""
    connection = ""
    if not is_kept:
        connection = "Connection: close\r\n"
    elif request is not None and request.is_http_1_0:
        connection = "Connection: keep-alive\r\n"
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return f"HTTP/1.1 {status}\r\n{fields}{connection}Date: {_now()}\r\n\r\n".encode("latin-1")


def status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def _now() -> str:
    """RFC 9110, section 5.6.7; made once a second."""
    global _date  # noqa: PLW0603  # one tuple, replaced as a whole
    second = int(monotonic())
    if _date[0] != second:
        _date = (second, formatdate(usegmt=True))
    return _date[1]

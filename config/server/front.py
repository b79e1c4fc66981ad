"""The connections of one process, and who handles which request."""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from time import monotonic
from typing import Any

import structlog

from config import errors
from config.api.errors import problem_response
from config.live import STREAM_PATH, LiveStreams
from config.middleware import API_HEADERS, sane_request_id
from config.sizes import body_limit

from .connection import BODY, BUSY, IDLE, Connection
from .http1 import Request
from .limits import Limits
from .pool import LAST_CHUNK, Application, Headers, Pool, chunk, head_of, status_line

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_CHECKS = 1.0
# Probes come from machines, one after another.
_MAX_WAITING_PROBES = 8
_HEALTH = {"/healthz", "/healthz/"}
_READINESS = {"/readyz", "/readyz/"}

_REJECTIONS: dict[int, type[errors.DomainError]] = {
    400: errors.MalformedRequest,
    408: errors.RequestTimeout,
    503: errors.TemporarilyUnavailable,
}


class Front:
    """`waiting`: connections between two requests, that which has been so longest first."""

    def __init__(
        self, application: Application, streams: LiveStreams, limits: Limits, threads: int
    ) -> None:
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.is_stopping = False
        self.receiving_bytes = 0
        self.connections: set[Connection] = set()
        self.waiting: dict[Connection, None] = {}
        self.body_limit = body_limit
        self._streams = streams
        self._stream_tasks: set[asyncio.Task[None]] = set()
        self._pool = Pool(self, application, threads, "web")
        # Answers though every thread of the pool is busy.
        self._probes = Pool(self, application, 1, "probe")
        self._posted: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._is_called = False

    # --- Connections ----------------------------------------------------------------------------

    def environ_of(self, transport: asyncio.Transport) -> dict[str, Any]:
        """What a WSGI environment says of the connection."""
        client = transport.get_extra_info("peername") or ("", 0)
        server = transport.get_extra_info("sockname") or ("", 0)
        return {
            "SCRIPT_NAME": "",
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
            "REMOTE_ADDR": client[0],
            "REMOTE_PORT": str(client[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.input_terminated": True,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }

    def opened(self, connection: Connection) -> None:
        """Where there are too many, the one that has been silent longest makes room."""
        if len(self.connections) >= self.limits.connections:
            oldest = next(iter(self.waiting), None)
            (oldest or connection).abort()
            if oldest is not None:
                self.closed(oldest)
        self.connections.add(connection)
        self.waiting[connection] = None

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self.waiting.pop(connection, None)

    async def check_times(self) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_CHECKS)
            now = monotonic()
            for connection in list(self.connections):
                connection.check_time(now)

    async def stop(self) -> None:
        """End what is idle at once, streams too, and everything else with its response."""
        self.is_stopping = True
        self._streams.close()
        for connection in list(self.waiting):
            if connection.state == IDLE:
                connection.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.stop_seconds):
                while any(c.state in {BODY, BUSY} or c.has_unsent for c in self.connections):
                    await asyncio.sleep(0.05)
        for connection in list(self.connections):
            connection.transport.close()

    # --- Requests -------------------------------------------------------------------------------

    def handle(self, connection: Connection, request: Request) -> None:
        environ = request.environ
        environ.setdefault("wsgi.input", BytesIO())
        path = environ["PATH_INFO"]
        if path in _HEALTH:
            self._probes.run(connection, request)  # it waits for nothing
        elif path in _READINESS:
            self._submit(self._probes, _MAX_WAITING_PROBES, connection, request)
        elif STREAM_PATH.fullmatch(path):
            task = self.loop.create_task(self._stream(connection, request))
            self._stream_tasks.add(task)
            task.add_done_callback(self._stream_tasks.discard)
        else:
            self._submit(self._pool, self.limits.queue, connection, request)

    def _submit(self, pool: Pool, limit: int, connection: Connection, request: Request) -> None:
        if pool.backlog < limit:
            pool.submit(connection, request)
        else:
            rejection = self.rejection(request.environ, 503, "", request)
            connection.finish(rejection, request.is_kept)

    async def _stream(self, connection: Connection, request: Request) -> None:
        reply = Reply(connection, request)
        try:
            await self._streams.respond(request.environ, reply, connection.left())
        except TimeoutError:
            connection.abort()  # the viewer took nothing for too long
        except Exception:
            logger.exception("a stream failed")
            connection.abort()

    def post(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call in the loop, from another thread. Those of a moment wake it once."""
        self._posted.append((function, arguments))
        if not self._is_called:
            self._is_called = True
            with suppress(RuntimeError):  # the loop is closed, and everything with it
                self.loop.call_soon_threadsafe(self._call_posted)

    def _call_posted(self) -> None:
        self._is_called = False
        while self._posted:
            function, arguments = self._posted.popleft()
            function(*arguments)

    def rejection(
        self, environ: dict[str, Any], status: int, reason: str, request: Request | None = None
    ) -> bytes:
        """A problem document from outside the application."""
        headers = {"Retry-After": "2"} if status == 503 else {}
        error = _REJECTIONS[status](reason, headers=headers)
        request_id = sane_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = problem_response(error)
        body = response.content
        fields: Headers = [
            *response.items(),
            *API_HEADERS.items(),
            ("Content-Length", str(len(body))),
            ("X-Request-ID", request_id),
        ]
        is_kept = request is not None and request.is_kept
        head = head_of(status_line(status), fields, request, is_kept)
        return head if environ["REQUEST_METHOD"] == "HEAD" else head + body


class Reply:
    """A response that is made in the loop."""

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self._is_whole = False

    def begin(self, status: int, headers: Headers, *, is_whole: bool) -> None:
        """`is_whole`: the body follows as one piece, and its length is among the headers."""
        self._is_whole = is_whole or self._request.is_http_1_0
        self._is_kept = self._request.is_kept and is_whole
        if not self._is_whole:
            headers = [*headers, ("Transfer-Encoding", "chunked")]
        head = head_of(status_line(status), headers, self._request, self._is_kept)
        self._connection.send(head)

    async def send(self, piece: bytes) -> None:
        """Returns once the client has room for more."""
        if piece:
            self._connection.send(piece if self._is_whole else chunk(piece))
        while self._connection.is_clogged and self._connection.state == BUSY:
            await asyncio.sleep(0.1)

    def end(self) -> None:
        self._connection.finish(b"" if self._is_whole else LAST_CHUNK, self._is_kept)

"""Free seats in real time, as Server-Sent Events (WHATWG HTML, section 9.2).

`GET /api/events/{id}/stream` is handled in the web server's event loop (`config.server`). Its data
is public, or opened by the key of an unlisted event. A viewer costs an open connection and two
tasks, but no thread.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from time import perf_counter
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter

from config import errors
from config.api.http.exception_handler import is_temporary, problem_response, to_domain_error
from config.api.http.parameters import check_parameters
from config.api.http.throttling import client_network
from config.api.http.timezones import requested_zone
from config.api.request_ids import request_in_progress
from config.database import request_threads
from config.metrics import report_request
from config.middleware import API_HEADERS, request_id_of
from events.live import FIRST_LINES, GONE, Seats, SeatWatch, Watched, read_seats

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

logger = logging.getLogger(__name__)

MESSAGES = Counter("live_messages", "Messages to viewers, heartbeats included.")
SLOW_VIEWERS = Counter("live_slow_viewers", "Streams that ended because the client read nothing.")

# Django's pattern, the label of the metrics.
STREAM_ROUTE = "api/events/<id:pk>/stream/"
STREAM_PATH = re.compile(r"(?:/api)?/events/([1-9][0-9]{0,17})/stream/?")
_ALLOWED = {"Allow": "GET, HEAD, OPTIONS"}

# Proxies close connections that are silent for longer. A failed heartbeat also reveals a viewer
# whose connection broke.
SECONDS_BETWEEN_HEARTBEATS = 15
# A viewer that reads nothing for so long is disconnected.
SECONDS_TO_SEND = 10
# The browser then reconnects by itself, which ends any fault of a connection.
MAX_STREAM_SECONDS = 3600

HEADERS = {
    **API_HEADERS,
    # Pages of any origin may watch: the data is public or opened by the key; no sign-in is read.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Expose-Headers": "Retry-After, X-Request-ID",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
STREAM_HEADERS = {
    "Content-Type": "text/event-stream",
    "X-Accel-Buffering": "no",  # otherwise nginx buffers events
}


class LiveStreams:
    """The streams of one process, at most `max_viewers`. Create and use it in an event loop."""

    def __init__(self, max_viewers: int) -> None:
        self.watch = SeatWatch(max_viewers, _read_seats)
        self.closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """End all streams. Their viewers reconnect to another process."""
        if not self.closing.done():
            self.closing.set_result(None)

    async def respond(self, environ: dict[str, Any], receive: Receive, send: Send) -> None:
        """Respond to a request: `environ` of WSGI, `receive` and `send` of ASGI.

        Raises `TimeoutError` when the client does not read the stream.
        """
        request = WSGIRequest(environ)
        response = StreamResponse(request, send)
        disconnected = asyncio.ensure_future(_wait_for_disconnect(receive))
        with request_in_progress(response.request_id):
            try:
                await self._respond(request, response, disconnected)
            except TimeoutError:
                SLOW_VIEWERS.inc()
                raise
            except OSError:
                pass  # the viewer has disconnected
            except Exception as exc:
                if response.has_begun:
                    raise
                await response.send_whole(_problem(exc))
            finally:
                disconnected.cancel()

    async def _respond(
        self, request: HttpRequest, response: "StreamResponse", disconnected: asyncio.Future[Any]
    ) -> None:
        event_id, key = _event_id(request), request.GET.get("key", "")
        if request.method == "OPTIONS":
            await response.send_whole(HttpResponse(status=204, headers=_ALLOWED))
            return
        async with self.watch.viewer(event_id, client_network(request), key) as watched:
            is_over = watched.seats is not None and watched.seats.is_over
            if is_over and "Last-Event-ID" in request.headers:
                # After a 204 the browser does not reconnect.
                await response.send_whole(HttpResponse(status=204))
            elif request.method == "HEAD":
                await response.send_whole(HttpResponse(headers=STREAM_HEADERS))
            else:
                await self._stream(watched, key, response, disconnected)

    async def _stream(
        self,
        watched: Watched,
        key: str,
        response: "StreamResponse",
        disconnected: asyncio.Future[Any],
    ) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + MAX_STREAM_SECONDS
        await response.begin(200, STREAM_HEADERS)
        text = FIRST_LINES
        last_sent: Seats | None = None
        is_last = False
        while not (is_last or disconnected.done()):
            changed, seats = watched.changed, watched.seats
            if seats is not None and not seats.are_open_to(key):
                seats = GONE  # the event became unlisted, or has another key
            if seats is not None and seats != last_sent:
                text += seats.message()
                is_last = seats.is_over
                last_sent = seats
            is_last = is_last or self.closing.done() or loop.time() >= ends_at
            await response.send(text or b":\n\n", is_last=is_last)
            MESSAGES.inc()
            text = b""
            if not is_last:
                await asyncio.wait(
                    {changed, disconnected, self.closing},
                    timeout=SECONDS_BETWEEN_HEARTBEATS,
                    return_when=asyncio.FIRST_COMPLETED,
                )


class StreamResponse:
    """The response to one request."""

    def __init__(self, request: HttpRequest, send: Send) -> None:
        self.request_id = request_id_of(request)
        self._started = perf_counter()
        self._method = str(request.method)
        self.has_begun = False
        self._has_no_body = request.method == "HEAD"
        self._send = send

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.has_begun = True
        all_headers = {**HEADERS, **headers, "X-Request-ID": self.request_id}
        pairs = [(name.encode(), text.encode()) for name, text in all_headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})
        duration = perf_counter() - self._started  # the stream itself may last an hour
        report_request(self._method, STREAM_ROUTE, status, duration, request_id=self.request_id)

    async def send(self, body: bytes, *, is_last: bool) -> None:
        """Raises `TimeoutError` when the client does not read it."""
        async with asyncio.timeout(SECONDS_TO_SEND):
            await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})

    async def send_whole(self, response: HttpResponse) -> None:
        headers = dict(response.items())
        if response.status_code == 204:
            del headers["Content-Type"]
        elif not self._has_no_body:
            headers["Content-Length"] = str(len(response.content))
        await self.begin(response.status_code, headers)
        await self.send(b"" if self._has_no_body else response.content, is_last=True)


def _read_seats(event_ids: Collection[int]) -> Mapping[int, Seats]:
    """In the thread of `SeatWatch`, with the time limits of requests."""
    request_threads.is_current = True
    return read_seats(event_ids)


def _event_id(request: HttpRequest) -> int:
    match = STREAM_PATH.fullmatch(request.path_info)
    if match is None:
        raise errors.NotFound
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        raise errors.MethodNotAllowed(headers=_ALLOWED)
    check_parameters(request.GET, frozenset({"key"}))
    requested_zone(request)  # every route checks it, though this one has no times
    return int(match[1])


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _problem(exc: Exception) -> HttpResponse:
    error = to_domain_error(exc)
    if error.status >= 500 and not is_temporary(error, exc):
        logger.error("request failed: %s", error.code, exc_info=exc)
    return problem_response(error)

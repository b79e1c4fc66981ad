"""Seats in real time, as Server-Sent Events (WHATWG HTML, section 9.2); `config.asgi` serves it.

`GET /api/events/{id}/stream` and what a load balancer asks, and nothing else. All it tells is
public. A viewer costs an open connection and two tasks of the event loop, no thread.
"""

import asyncio
import hashlib
import logging
import re
import resource
import signal
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from io import BytesIO
from typing import Any

import structlog
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse

from config import errors, ops
from config.api.errors import problem_response, to_domain_error
from config.api.parameters import check_parameters
from config.api.throttling import client_network
from config.api.timezones import requested_zone
from config.middleware import API_HEADERS, request_id_of
from events.live import Seats, SeatWatch, Watched

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

logger = logging.getLogger(__name__)

_STREAM = re.compile(r"(?:/api)?/events/([1-9][0-9]{0,17})/stream/?")
_ALLOWED = {"Allow": "GET, HEAD, OPTIONS"}

# A proxy closes what is silent for longer, and a viewer that went away unheard is noticed.
SECONDS_BETWEEN_HEARTBEATS = 15
# A viewer that takes nothing for so long is dropped.
SECONDS_TO_SEND = 10
# Then the browser comes back by itself: nothing that is wrong with a connection stays for ever.
SECONDS_OF_A_STREAM = 3600
MILLISECONDS_TO_RECONNECT = 3000

HEADERS = {
    **API_HEADERS,
    # Any page may watch: it is public, and no credentials are read.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Expose-Headers": "Retry-After, X-Request-ID",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
STREAM_HEADERS = {
    "Content-Type": "text/event-stream",
    "X-Accel-Buffering": "no",  # nginx would keep events back
}


class LiveApplication:
    """ASGI 3.0, with its lifespan protocol."""

    def __init__(self, max_viewers: int) -> None:
        self.max_viewers = max_viewers
        _allow_open_files(max_viewers + 500)  # beside what a server has open itself

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = ASGIRequest(scope, BytesIO())
        answer = Answer(request, send)
        with structlog.contextvars.bound_contextvars(request_id=answer.request_id):
            try:
                await self._respond(request, answer, receive)
            except OSError:
                pass  # the viewer is gone, or took nothing for too long
            except Exception as exc:
                if answer.has_begun:
                    raise
                await answer.send_whole(_problem(exc))

    async def _live(self, receive: Receive, send: Send) -> None:
        """From the start of the server to its end."""
        await receive()
        loop = asyncio.get_running_loop()
        self.watch = SeatWatch(self.max_viewers)
        self.closing = loop.create_future()

        def close(*_: object) -> None:
            if not self.closing.done():
                self.closing.set_result(None)

        # The server, too, hears of these signals by the event loop, and then waits for streams to
        # end. A handler of this kind does not take them away from it.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(close))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, request: ASGIRequest, answer: "Answer", receive: Receive) -> None:
        if request.path_info == "/healthz":
            await answer.send_whole(ops.healthz(request))
            return
        event_id = _event_id(request)
        if request.method == "OPTIONS":
            await answer.send_whole(HttpResponse(status=204, headers=_ALLOWED))
            return
        async with self.watch.viewer(event_id, client_network(request)) as watched:
            is_over = watched.seats is not None and watched.seats.is_over
            if is_over and "Last-Event-ID" in request.headers:
                await answer.send_whole(HttpResponse(status=204))  # a browser stays away then
            elif request.method == "HEAD":
                await answer.send_whole(HttpResponse(headers=STREAM_HEADERS))
            else:
                await self._stream(watched, answer, receive)

    async def _stream(self, watched: Watched, answer: "Answer", receive: Receive) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + SECONDS_OF_A_STREAM
        left = asyncio.ensure_future(_disconnected(receive))
        try:
            await answer.begin(200, STREAM_HEADERS)
            text = f"retry: {MILLISECONDS_TO_RECONNECT}\n\n".encode()
            told: Seats | None = None
            is_last = False
            while not (is_last or left.done()):
                changed, seats = watched.changed, watched.seats
                if seats is not None and seats != told:
                    text += _event(seats)
                    is_last = seats.is_over
                    told = seats
                is_last = is_last or self.closing.done() or loop.time() >= ends_at
                await answer.send(text or b":\n\n", is_last=is_last)
                text = b""
                if not is_last:
                    await asyncio.wait(
                        {changed, left, self.closing},
                        timeout=SECONDS_BETWEEN_HEARTBEATS,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
        finally:
            left.cancel()


class Answer:
    """What is sent for one request."""

    def __init__(self, request: ASGIRequest, send: Send) -> None:
        self.request_id = request_id_of(request)
        self.has_begun = False
        self._has_no_body = request.method == "HEAD"
        self._send = send

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.has_begun = True
        sent = {**HEADERS, **headers, "X-Request-ID": self.request_id}
        pairs = [(name.lower().encode(), text.encode()) for name, text in sent.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def send(self, body: bytes, *, is_last: bool) -> None:
        """Raises `TimeoutError` when the client does not take it."""
        async with asyncio.timeout(SECONDS_TO_SEND):
            await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})

    async def send_whole(self, response: HttpResponse) -> None:
        headers = dict(response.items())
        if response.status_code == 204:
            del headers["Content-Type"]
        await self.begin(response.status_code, headers)
        await self.send(b"" if self._has_no_body else response.content, is_last=True)


def _event_id(request: ASGIRequest) -> int:
    found = _STREAM.fullmatch(request.path_info)
    if found is None:
        raise errors.NotFound
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        raise errors.MethodNotAllowed(headers=_ALLOWED)
    check_parameters(request.GET)
    requested_zone(request)  # known everywhere, though no times are told here
    return int(found[1])


def _event(seats: Seats) -> bytes:
    """What a browser hands to `onmessage`; after the last one an event `end`."""
    text = b""
    if seats.data is not None:
        event_id = hashlib.blake2b(seats.data, digest_size=6).hexdigest()
        text = b"id: %b\ndata: %b\n\n" % (event_id.encode(), seats.data)
    return text + b"event: end\ndata: {}\n\n" if seats.is_over else text


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _problem(exc: Exception) -> HttpResponse:
    error = to_domain_error(exc)
    if error.status == errors.ServerError.status:
        logger.error("request failed: %s", error.code, exc_info=exc)
    return problem_response(error)


def _allow_open_files(count: int) -> None:
    """A viewer is an open file, of which a shell allows few unless told otherwise."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""Seats in real time, as Server-Sent Events (WHATWG HTML, section 9.2).

`GET /api/events/{id}/stream`, answered in the web server's event loop (`config.server`). All that
it tells is public. A viewer costs an open connection and two tasks, no thread.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import structlog
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse

from config import errors
from config.api.http.exception_handler import problem_response, to_domain_error
from config.api.http.parameters import check_parameters
from config.api.http.throttling import client_network
from config.api.http.timezones import requested_zone
from config.middleware import API_HEADERS, request_id_of
from events.live import FIRST_LINES, Seats, SeatWatch, Watched

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

logger = logging.getLogger(__name__)

STREAM_PATH = re.compile(r"(?:/api)?/events/([1-9][0-9]{0,17})/stream/?")
_ALLOWED = {"Allow": "GET, HEAD, OPTIONS"}

# A proxy closes what is silent for longer, and a viewer that went away unheard is noticed.
SECONDS_BETWEEN_HEARTBEATS = 15
# A viewer that takes nothing for so long is dropped.
SECONDS_TO_SEND = 10
# Then the browser comes back by itself: nothing that is wrong with a connection stays for ever.
SECONDS_OF_A_STREAM = 3600

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


class LiveStreams:
    """The streams of one process, at most `max_viewers`. Made and used in an event loop."""

    def __init__(self, max_viewers: int) -> None:
        self.watch = SeatWatch(max_viewers)
        self.closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """End all streams; their viewers come back to another process."""
        if not self.closing.done():
            self.closing.set_result(None)

    async def respond(self, environ: dict[str, Any], receive: Receive, send: Send) -> None:
        """Respond to a request: `environ` of WSGI, `receive` and `send` of ASGI.

        Raises `TimeoutError` when the client does not take the stream.
        """
        request = WSGIRequest(environ)
        answer = Answer(request, send)
        left = asyncio.ensure_future(_disconnected(receive))
        with structlog.contextvars.bound_contextvars(request_id=answer.request_id):
            try:
                await self._respond(request, answer, left)
            except TimeoutError:
                raise
            except OSError:
                pass  # the viewer is gone
            except Exception as exc:
                if answer.has_begun:
                    raise
                await answer.send_whole(_problem(exc))
            finally:
                left.cancel()

    async def _respond(
        self, request: HttpRequest, answer: "Answer", left: asyncio.Future[Any]
    ) -> None:
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
                await self._stream(watched, answer, left)

    async def _stream(self, watched: Watched, answer: "Answer", left: asyncio.Future[Any]) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + SECONDS_OF_A_STREAM
        await answer.begin(200, STREAM_HEADERS)
        text = FIRST_LINES
        told: Seats | None = None
        is_last = False
        while not (is_last or left.done()):
            changed, seats = watched.changed, watched.seats
            if seats is not None and seats != told:
                text += seats.message()
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


class Answer:
    """What is sent for one request."""

    def __init__(self, request: HttpRequest, send: Send) -> None:
        self.request_id = request_id_of(request)
        self.has_begun = False
        self._has_no_body = request.method == "HEAD"
        self._send = send

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.has_begun = True
        sent = {**HEADERS, **headers, "X-Request-ID": self.request_id}
        pairs = [(name.encode(), text.encode()) for name, text in sent.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def send(self, body: bytes, *, is_last: bool) -> None:
        """Raises `TimeoutError` when the client does not take it."""
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


def _event_id(request: HttpRequest) -> int:
    found = STREAM_PATH.fullmatch(request.path_info)
    if found is None:
        raise errors.NotFound
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        raise errors.MethodNotAllowed(headers=_ALLOWED)
    check_parameters(request.GET)
    requested_zone(request)  # known everywhere, though no times are told here
    return int(found[1])


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _problem(exc: Exception) -> HttpResponse:
    error = to_domain_error(exc)
    if error.status == errors.ServerError.status:
        logger.error("request failed: %s", error.code, exc_info=exc)
    return problem_response(error)

"""The ASGI application of the web server: it collects bodies and dispatches requests."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from multiprocessing import parent_process
from queue import SimpleQueue
from threading import Thread
from time import monotonic, perf_counter
from typing import Any

from django.conf import settings

from config import errors
from config.api.http.body_limits import body_limit
from config.api.http.exception_handler import problem_response
from config.api.request_ids import request_in_progress
from config.live.streams import STREAM_PATH, LiveStreams, Message, Receive, Send
from config.metrics import report_request
from config.middleware import API_HEADERS, safe_request_id

from .gauges import set_gauges
from .wsgi import Application, RawHeaders, Response, environ_of, run

# The maximum time without a piece of a body, and before its minimum rate applies.
BODY_PAUSE_SECONDS = 20
# How long, and how much, to read on after the response to a body that is too large. Most clients
# send all of a body before they read: a photo that is too large still gets its 413.
LINGER_SECONDS = 5
MAX_DISCARDED_BYTES = 64 * 1024 * 1024
# Requests that a process queues for a thread. At a few hundred requests a second a longer queue
# takes seconds. Further requests get a 503 at once.
MAX_QUEUED = 512
# The size of all bodies together that a process is receiving.
MAX_RECEIVING_BYTES = 512 * 1024 * 1024
# Probes come one after another.
MAX_QUEUED_PROBES = 8

_HEALTH = {"/healthz", "/healthz/"}
_READINESS = {"/readyz", "/readyz/"}


class Front:
    def __init__(self, application: Application) -> None:
        self._application = application
        self._receiving_bytes = 0
        self._pool = Pool(settings.WEB_THREADS, MAX_QUEUED, "web")
        # A pool of its own, so that readiness is reported while all other threads are busy.
        self._probes = Pool(1, MAX_QUEUED_PROBES, "probe")

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        started = perf_counter()
        try:
            await self._respond(scope, receive, send)
        except errors.DomainError as error:
            request_id = safe_request_id(_request_id(scope))
            await scope["state"]["respond"](*problem_of(error, request_id))
            duration = perf_counter() - started
            report_request(scope["method"], "none", error.status, duration, request_id=request_id)
        except ClientGone:
            pass

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol, from the start of the process to its end."""
        await receive()
        loop = asyncio.get_running_loop()
        self._streams = LiveStreams(settings.LIVE_MAX_VIEWERS)
        # uvicorn sends the shutdown event only after all responses have ended, so streams end by
        # the signal itself.
        for number in (signal.SIGTERM, signal.SIGINT):
            handlers = (signal.getsignal(number), self._streams.close)
            signal.signal(number, _both(loop, *handlers))
        _end_with_supervisor(loop)
        gauges = loop.create_task(set_gauges(self._pool, self._streams))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        gauges.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, scope: Any, receive: Receive, send: Send) -> None:
        path, respond = scope["path"], scope["state"]["respond"]
        body, length = await self._read_body(scope, receive)
        environ = environ_of(scope, body or b"", length)
        if body is None and length is not None:
            await self._refuse_body(environ, receive, send)
        elif STREAM_PATH.fullmatch(path):
            try:
                await self._streams.respond(environ, receive, send)
            except TimeoutError:
                scope["state"]["abort"]()  # closing would wait for the client
                await receive()
        elif path in _HEALTH:
            status, headers, whole, _ = _whole(run(self._application, environ))
            await respond(status, headers, whole)  # it does not block
        else:
            pool = self._probes if path in _READINESS else self._pool
            exchange = Exchange(receive, send)
            response = await pool.run(self._application, environ, exchange)
            if response is not None:
                await respond(response.status, response.headers, response.body)

    # --- Bodies ---------------------------------------------------------------------------------

    async def _read_body(self, scope: Any, receive: Receive) -> tuple[bytes | None, int | None]:
        """The body and its length.

        Both are None for a request without a body. The body alone is None when it is too large.
        Raises `RequestTimeout`, `TemporarilyUnavailable` and `ClientGone`.
        """
        framing = {name: value for name, value in scope["headers"] if name in _FRAMING}
        if not framing:
            return None, None
        limit = body_limit(scope["path"])
        length = int(framing.get(b"content-length", b"0"))
        if length > limit:
            return None, length
        whole: bytes | None = scope["state"]["take_body"]()
        if whole is not None:
            return (whole if len(whole) <= limit else None), len(whole)
        pieces: list[bytes] = []
        size, started_at = 0, monotonic()
        try:
            async for piece in self._pieces(receive, started_at):
                size += len(piece)
                self._receiving_bytes += len(piece)
                pieces.append(piece)
                if size > limit:
                    return None, size
                if self._receiving_bytes > MAX_RECEIVING_BYTES:
                    raise errors.TemporarilyUnavailable(retry_after=2)
        finally:
            self._receiving_bytes -= size
        return b"".join(pieces), size

    async def _pieces(self, receive: Receive, started_at: float) -> AsyncIterator[bytes]:
        size, is_more = 0, True
        while is_more:
            now = monotonic()
            try:
                async with asyncio.timeout(body_deadline(size, started_at, now) - now):
                    message = await receive()
            except TimeoutError:
                headers = {"Connection": "close"}
                raise errors.RequestTimeout(headers=headers) from None
            if message["type"] == "http.disconnect":
                raise ClientGone
            size += len(message["body"])
            is_more = message["more_body"]
            yield message["body"]

    async def _refuse_body(self, environ: dict[str, Any], receive: Receive, send: Send) -> None:
        """Send Django's response to a body that is too large, and then close the connection.

        Closing a socket with unread data resets the connection, and the client may lose the
        response (RFC 9112, section 9.6). So the rest of the body is read for a while.
        """
        response = _whole(await self._pool.run(self._application, environ, None))
        headers = [*response.headers, (b"Connection", b"close")]
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        await send(start)
        await send({**_BODY, "body": response.body, "more_body": True})
        with suppress(TimeoutError, ClientGone):
            async with asyncio.timeout(LINGER_SECONDS):
                unread = MAX_DISCARDED_BYTES
                while unread > 0:
                    message = await receive()
                    if message["type"] == "http.disconnect" or not message["more_body"]:
                        break
                    unread -= len(message["body"])
        await send({**_BODY, "body": b"", "more_body": False})


def body_deadline(size: int, started_at: float, now: float) -> float:
    """The time by which the next piece must arrive, after `size` bytes of the body, in seconds.

    A slow line can upload, but single bytes at intervals cannot hold a connection.
    """
    return min(
        now + BODY_PAUSE_SECONDS,
        started_at + BODY_PAUSE_SECONDS + size / settings.BODY_BYTES_PER_SECOND,
        started_at + settings.BODY_SECONDS,
    )


class ClientGone(Exception):
    """The client has disconnected."""


class Pool:
    """A bounded number of threads and of queued requests.

    An executor of the standard library costs a request twice as much, since any thread may wait for
    its futures. The futures here belong to the event loop.
    """

    def __init__(self, threads: int, max_queued: int, name: str) -> None:
        self._queue: SimpleQueue[_Work] = SimpleQueue()
        self._limit = threads + max_queued
        self.count = 0  # of running and queued requests
        for number in range(threads):
            Thread(target=self._serve, name=f"{name}-{number}", daemon=True).start()

    async def run(
        self, application: Application, environ: dict[str, Any], exchange: "Exchange | None"
    ) -> Response | None:
        """The whole response, or None when the exchange has sent it.

        Raises `TemporarilyUnavailable` when the queue is full.
        """
        if self.count >= self._limit:
            raise errors.TemporarilyUnavailable(retry_after=2)
        self.count += 1
        stream = None if exchange is None else exchange.stream
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Response | None] = loop.create_future()
        self._queue.put((loop, done, application, environ, stream))
        try:
            return await done
        finally:
            self.count -= 1
            if exchange is not None:
                exchange.stop_watching()

    def _serve(self) -> None:
        while True:
            loop, done, application, environ, stream = self._queue.get()
            response, error = None, None
            try:
                if not done.cancelled():
                    response = run(application, environ, stream)
            except BaseException as exc:  # noqa: BLE001  # it is raised in the loop
                error = exc
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_resolve, done, response, error)
            del done, environ, stream, response, error  # otherwise they live until the next request


_Work = tuple[
    asyncio.AbstractEventLoop, "asyncio.Future[Response | None]", Application, dict[str, Any], Any
]


def _resolve(
    done: "asyncio.Future[Response | None]", response: Response | None, error: BaseException | None
) -> None:
    if done.done():
        return  # the request was cancelled meanwhile
    if error is None:
        done.set_result(response)
    else:
        done.set_exception(error)


class Exchange:
    """Sends a stream from a thread, as fast as the client reads it."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._loop = asyncio.get_running_loop()
        self._watching: asyncio.Task[None] | None = None
        self._is_disconnected = False

    def stream(self, response: Response) -> None:
        """Send the response from a thread of the pool. Blocks until the end or a disconnect."""
        start = {"type": "http.response.start", "status": response.status}
        self._wait(self._begin({**start, "headers": response.headers}))
        for piece in response.pieces or ():
            if self._is_disconnected:
                return
            if piece:
                self._wait(self._send({**_BODY, "body": piece, "more_body": True}))
        self._wait(self._send({**_BODY, "body": b"", "more_body": False}))

    async def _begin(self, message: Message) -> None:
        self._watching = self._loop.create_task(self._watch())
        await self._send(message)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_disconnected = True

    def stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    def _wait(self, sending: Any) -> None:
        asyncio.run_coroutine_threadsafe(sending, self._loop).result()


_BODY = {"type": "http.response.body"}
_FRAMING = {b"content-length", b"transfer-encoding"}


def problem_of(error: errors.DomainError, request_id: str) -> tuple[int, RawHeaders, bytes]:
    """Status, headers and body of a problem document from outside Django."""
    request_id = safe_request_id(request_id)
    with request_in_progress(request_id):
        response = problem_response(error)
    body = response.content
    headers = {**API_HEADERS, "Content-Length": str(len(body)), "X-Request-ID": request_id}
    pairs = [*response.items(), *headers.items()]
    return error.status, [(name.encode(), value.encode()) for name, value in pairs], body


def _request_id(scope: Any) -> str:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    return headers.get(b"x-request-id", b"").decode("latin-1")


def _whole(response: Response | None) -> Response:
    assert response is not None  # noqa: S101  # nosec  # without an exchange it is whole
    return response


def _end_with_supervisor(loop: asyncio.AbstractEventLoop) -> None:
    """Stop this process when its supervisor is killed. Otherwise it would hold the port."""
    supervisor = parent_process()
    if supervisor is None:
        return

    def stop() -> None:
        loop.remove_reader(supervisor.sentinel)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(supervisor.sentinel, stop)


def _both(
    loop: asyncio.AbstractEventLoop, server: Any, close: Callable[[], None]
) -> Callable[..., None]:
    def handle(*arguments: Any) -> None:
        loop.call_soon_threadsafe(close)
        server(*arguments)

    return handle

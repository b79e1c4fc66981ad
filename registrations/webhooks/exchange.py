"""One HTTP request to a receiver, by a connection to an address that was checked.

The client is small on purpose: libraries resolve a name themselves, so the address that was checked
need not be the one that they connect to. No redirect is followed, no cookie is stored, no proxy is
used, and no response is decompressed.
"""

import asyncio
import ssl
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from weakref import WeakValueDictionary

import httptools

from .addresses import (
    Address,
    AddressNotAllowed,
    InvalidUrl,
    Target,
    check_addresses,
    look_up,
    parse,
)
from .connections import Connection, Reader, connect

SECONDS = 15.0
MAX_BYTES = 64 * 1024
MAX_EXCERPT = 300  # characters
_BYTES_OF_EXCERPT = 4 * MAX_EXCERPT
_READ_BYTES = 16 * 1024
_MAX_IDLE = 400  # open connections: a process may often open 1,024 files
_MAX_IDLE_OF_ADDRESS = 32  # as many responses may arrive at once
_IDLE_SECONDS = 20.0
_LOOKUPS = 256  # threads; a name that hangs takes one
_LOOKUPS_OF_OWNER = 4  # so that the names of one account do not take them all


class NoResponse(Exception):
    """There was no valid response. The message says why, as the list of deliveries shows it."""


@dataclass
class Response:
    """What was read of a response. Callbacks of the parser set it."""

    status: int = 0
    retry_after: str | None = None
    excerpt: bytes = b""
    has_head: bool = False
    is_complete: bool = False
    has_length: bool = False
    keeps_open: bool = False
    bytes_read: int = 0
    _parser: "httptools.HttpResponseParser | None" = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The beginning of the body. PostgreSQL cannot store NUL."""
        return self.excerpt.decode(errors="replace").replace("\0", "\ufffd")[:MAX_EXCERPT]

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise ValueError("Bytes follow the response.")  # ends the work of the parser
        self.retry_after, self.excerpt = None, b""
        self.has_head = self.is_complete = self.has_length = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"retry-after":
            self.retry_after = value.decode("latin-1")
        elif name in {b"content-length", b"transfer-encoding"}:
            self.has_length = True

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.has_head = self.status >= 200  # else the final response follows

    def on_body(self, content: bytes) -> None:
        if len(self.excerpt) < _BYTES_OF_EXCERPT:
            self.excerpt += content[: _BYTES_OF_EXCERPT - len(self.excerpt)]

    def on_message_complete(self) -> None:
        self.is_complete = self.has_head
        self.keeps_open = self.parser.should_keep_alive()

    def release(self) -> None:
        """The parser and the response refer to each other."""
        self._parser = None

    @property
    def parser(self) -> "httptools.HttpResponseParser":
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        return self._parser


_Key = tuple[str, str, int, Address]  # scheme, name, port, address


class Client:
    """Sends requests and keeps connections open. Belongs to one event loop."""

    def __init__(self) -> None:
        self._idle = defaultdict[_Key, deque[Connection]](deque)
        self._idle_number = 0
        self._lookups: dict[str, asyncio.Future[list[Address]]] = {}
        self._owners = WeakValueDictionary[int, asyncio.Semaphore]()
        self._executor = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="webhook-name")

    async def post(
        self, url: str, headers: dict[str, str], body: bytes, *, owner: int = 0
    ) -> Response:
        """Raises `NoResponse`. Ends within `SECONDS`, with the look-up of the name.

        `owner` is the account for which few names are looked up at a time.
        """
        try:
            async with asyncio.timeout(SECONDS):
                target = parse(url)
                addresses = check_addresses(target, await self._addresses(target.host, owner))
                return await self._post(target, addresses, headers, body)
        except TimeoutError as error:
            raise NoResponse("timeout") from error
        except AddressNotAllowed as error:
            raise NoResponse("address_not_allowed") from error
        except InvalidUrl as error:
            raise NoResponse("invalid_url") from error
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "handshake failed"
            raise NoResponse(f"tls_failed: {reason}"[:200]) from error
        except ConnectionRefusedError as error:
            raise NoResponse("connection_refused") from error
        except OSError as error:
            raise NoResponse("connection_failed") from error

    async def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.end()
        self._idle.clear()
        self._idle_number = 0
        self._executor.shutdown(wait=False, cancel_futures=True)
        for _ in range(3):  # the loop closes aborted transports in its next rounds
            await asyncio.sleep(0)

    def close_idle(self) -> None:
        """Close connections that were not used for a while."""
        before = monotonic() - _IDLE_SECONDS
        for key, connections in list(self._idle.items()):
            while connections and connections[0].idle_since < before:
                connections.popleft().end()
                self._idle_number -= 1
            if not connections:
                del self._idle[key]

    async def _post(
        self, target: Target, addresses: list[Address], headers: dict[str, str], body: bytes
    ) -> Response:
        content = _head(target, headers, len(body)) + body
        for address in addresses:
            if kept := self._take((target.scheme, target.host, target.port, address)):
                # The receiver may have closed it meanwhile. Then nothing is read, and a new
                # connection follows. It may also have received the request, so there is one try.
                response = Response()
                try:
                    return await self._exchange(target, address, kept, content, response)
                except (OSError, NoResponse):
                    if response.bytes_read:
                        raise
                break
        connection, address = await connect(target, addresses)
        return await self._exchange(target, address, connection, content, Response())

    async def _exchange(
        self,
        target: Target,
        address: Address,
        connection: Connection,
        content: bytes,
        response: Response,
    ) -> Response:
        is_reusable = False
        try:
            connection.writer.write(content)
            is_reusable = await _read(connection.reader, response)
        finally:
            response.release()
            if is_reusable:
                self._put(target, address, connection)
            else:
                connection.end()
        return response

    async def _addresses(self, host: str, owner: int) -> list[Address]:
        """The addresses now. Requests that begin during a look-up share it."""
        pending = self._lookups.get(host)
        if pending is None:
            slots = self._owners.setdefault(owner, asyncio.Semaphore(_LOOKUPS_OF_OWNER))
            await slots.acquire()
            pending = self._lookups.get(host)  # another request may have begun it meanwhile
            if pending is None:
                pending = self._begin_lookup(host, slots)
            else:
                slots.release()
        try:
            return await asyncio.shield(pending)
        except (OSError, ValueError) as error:
            raise NoResponse("name_not_resolved") from error

    def _begin_lookup(self, host: str, slots: asyncio.Semaphore) -> "asyncio.Future[list[Address]]":
        """Its slot is free when the thread is, which may be after the request has ended."""
        loop = asyncio.get_running_loop()
        pending = loop.run_in_executor(self._executor, look_up, host)
        self._lookups[host] = pending
        pending.add_done_callback(lambda done: self._end_lookup(host, slots, done))
        return pending

    def _end_lookup(
        self, host: str, slots: asyncio.Semaphore, done: "asyncio.Future[list[Address]]"
    ) -> None:
        slots.release()
        self._lookups.pop(host, None)
        if not done.cancelled():
            done.exception()  # every request may have ended before

    def _take(self, key: _Key) -> Connection | None:
        connections = self._idle.get(key)
        while connections:
            connection = connections.pop()
            self._idle_number -= 1
            is_fresh = monotonic() - connection.idle_since < _IDLE_SECONDS
            if is_fresh and connection.is_quiet:
                return connection
            connection.end()
        return None

    def _put(self, target: Target, address: Address, connection: Connection) -> None:
        connections = self._idle[target.scheme, target.host, target.port, address]
        if self._idle_number >= _MAX_IDLE or len(connections) >= _MAX_IDLE_OF_ADDRESS:
            connection.end()
            return
        connections.append(Connection(connection.reader, connection.writer, monotonic()))
        self._idle_number += 1


def _head(target: Target, headers: dict[str, str], length: int) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "Accept-Encoding: identity",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")


async def _read(reader: Reader, response: Response) -> bool:
    """Read a response up to `MAX_BYTES`. Returns whether the connection can be used again."""
    parser = response.parser
    while not response.is_complete:
        content = await reader.read(min(_READ_BYTES, MAX_BYTES - response.bytes_read))
        if not content:
            if response.has_head and not response.has_length:
                return False  # the end of the connection is that of the response
            raise NoResponse("incomplete_response" if response.bytes_read else "connection_closed")
        response.bytes_read += len(content)
        try:
            parser.feed_data(content)
        except httptools.HttpParserUpgrade:
            raise NoResponse("invalid_response") from None
        except httptools.HttpParserError as error:
            if not response.is_complete:
                raise NoResponse("invalid_response") from error
            return False
        if response.bytes_read >= MAX_BYTES and not response.is_complete:
            if response.has_head:
                return False
            raise NoResponse("response_too_large")
    return response.keeps_open

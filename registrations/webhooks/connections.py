"""Connections to receivers, which are kept between requests."""

import asyncio
import select
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import SupportsIndex

from .addresses import Address, Target

_BUFFER_BYTES = 64 * 1024
_CONNECT_SECONDS = 4.0  # where the name has another address


class Reader(asyncio.StreamReader):
    """Counts the bytes that were received and not read."""

    unread = 0

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        content = bytes(data)
        self.unread += len(content)
        super().feed_data(content)

    async def read(self, n: int = -1) -> bytes:
        content = await super().read(n)
        self.unread -= len(content)
        return content


@dataclass(frozen=True)
class Connection:
    reader: Reader
    writer: asyncio.StreamWriter
    idle_since: float = 0.0

    @property
    def is_quiet(self) -> bool:
        """Open, and nothing has arrived that the next request would take for its response."""
        if self.reader.unread or self.reader.at_eof() or self.writer.is_closing():
            return False
        poll = select.poll()  # the loop may not have read yet what arrived
        poll.register(self.writer.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def end(self) -> None:
        """Close it without waiting for the receiver."""
        self.writer.close()  # `abort` alone has an effect in a later round of the loop
        self.writer.transport.abort()


async def connect(target: Target, addresses: Sequence[Address]) -> tuple[Connection, Address]:
    """A connection to the first address that accepts one. TLS verifies the name."""
    problem: OSError = OSError("no address")
    for number, address in enumerate(addresses, 1):
        try:
            async with asyncio.timeout(_CONNECT_SECONDS if number < len(addresses) else None):
                return await _open(address, target), address
        except ssl.SSLError:
            raise
        except OSError as error:
            problem = error
    raise problem


async def _open(address: Address, target: Target) -> Connection:
    """As `asyncio.open_connection` does, with a reader that counts."""
    is_secure = target.scheme == "https"
    loop = asyncio.get_running_loop()
    reader = Reader(limit=_BUFFER_BYTES, loop=loop)
    transport, protocol = await loop.create_connection(
        lambda: asyncio.StreamReaderProtocol(reader, loop=loop),
        str(address),
        target.port,
        ssl=_tls() if is_secure else None,
        server_hostname=target.host if is_secure else None,
    )
    return Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()

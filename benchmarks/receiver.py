"""A receiver of webhooks: `python -m benchmarks.receiver`.

Prints its port, answers each request until stdin ends, and prints what it received as JSON. It also
listens on ports where it accepts connections and never answers, and prints them behind the first.
"""

import json
import re
import selectors
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import quantiles

HANGING = 10
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb"\r\nwebhook-id: *(\S+)")
_AT = re.compile(rb'"at": *"([^"]+)"')  # the first one is that of the change


@dataclass(frozen=True)
class Received:
    """Milliseconds are those between a change and its arrival."""

    changes: int
    requests: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class _Receiver:
    def __init__(self) -> None:
        self._requests = 0
        self._waits: dict[bytes, float] = {}  # by the id of the change

    def serve(self, connection: socket.socket, pending: bytes) -> bytes:
        """Answer what has arrived completely, and return the rest."""
        while (head_end := pending.find(_HEAD_END)) >= 0:
            length = _LENGTH.search(pending, 0, head_end)
            end = head_end + len(_HEAD_END) + (int(length[1]) if length else 0)
            if len(pending) < end:
                break
            self._note(pending[:end])
            connection.sendall(_OK)
            pending = pending[end:]
        return pending

    def _note(self, request: bytes) -> None:
        change, at = _ID.search(request), _AT.search(request)
        assert change
        assert at
        made_at = datetime.fromisoformat(at[1].decode()).timestamp()
        self._requests += 1
        self._waits.setdefault(change[1], 1000 * (time.time() - made_at))

    def result(self) -> Received:
        waits = list(self._waits.values()) or [0.0]
        percentiles = quantiles(waits * 2, n=100)  # needs two
        return Received(
            len(self._waits), self._requests, percentiles[49], percentiles[98], max(waits)
        )


def main() -> None:
    receiver = _Receiver()
    listening = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(1 + HANGING)]
    print(*(each.getsockname()[1] for each in listening), flush=True)
    pending: dict[socket.socket, bytes] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(listening[0], selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    print(json.dumps(asdict(receiver.result())))
                    return
                if key.fileobj is listening[0]:
                    connection, _ = listening[0].accept()
                    pending[connection] = b""
                    selector.register(connection, selectors.EVENT_READ)
                    continue
                connection = key.fileobj  # type: ignore[assignment]
                piece = b""
                with suppress(ConnectionError):
                    piece = connection.recv(262_144)
                    pending[connection] = receiver.serve(connection, pending[connection] + piece)
                if not piece:
                    selector.unregister(connection)
                    del pending[connection]
                    connection.close()


if __name__ == "__main__":
    main()

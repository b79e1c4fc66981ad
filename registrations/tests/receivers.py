"""Receivers of webhooks on this machine, also ones that misbehave."""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Received:
    head: str
    headers: dict[str, str]
    body: bytes
    began_at: float

    @property
    def change(self) -> dict[str, Any]:
        return json.loads(self.body)


def response(status: int, body: str = "", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", body]).encode()


@dataclass
class Receiver:
    """Answers each request with `reply`: bytes, or a function that writes to the connection."""

    reply: bytes | Callable[[socket.socket, Received], None] = OK
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    tls: ssl.SSLContext | None = None
    keeps_open: bool = False  # after `reply` was called

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def changes(self) -> list[dict[str, Any]]:
        return [each.change for each in self.requests]

    @property
    def types(self) -> list[str]:
        return [each["type"] for each in self.changes]

    def serve(self, connection: socket.socket) -> None:
        self.connections += 1
        with suppress(OSError), connection:
            if self.tls is None:
                self._serve(connection)
                return
            with self.tls.wrap_socket(connection, server_side=True) as encrypted:
                self._serve(encrypted)

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while head := stream.readline().decode("latin-1"):
                began_at = time.monotonic()
                headers = {}
                while line := stream.readline().decode("latin-1").strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                body = stream.read(int(headers["content-length"]))
                request = Received(head.strip(), headers, body, began_at)
                self.requests.append(request)
                if callable(self.reply):
                    self.reply(connection, request)
                    if not self.keeps_open:
                        return
                else:
                    connection.sendall(self.reply)


@contextmanager
def running(receiver: Receiver) -> Iterator[Receiver]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        receiver.port = listening.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    Thread(target=receiver.serve, args=(connection,), daemon=True).start()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield receiver
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()

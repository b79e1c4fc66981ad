"""A network for tests that can be lost: it passes bytes between browsers and a server.

A browser's own emulation of a lost network leaves its service workers out.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from select import select
from threading import Thread

POLL_SECONDS = 0.05


class Relay:
    """Listens at `port`. While it is not `is_on`, connections end without a response."""

    def __init__(self, server_port: int) -> None:
        self.is_on = True
        self._server_port = server_port
        self._listener = socket.create_server(("localhost", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self.is_on = False
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # once it is shut down
            while True:
                client, _ = self._listener.accept()
                thread = Thread(target=self._pass, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _pass(self, client: socket.socket) -> None:
        with (
            client,
            socket.create_connection(("localhost", self._server_port)) as server,
            suppress(ConnectionError),
        ):
            others = {client: server, server: client}
            while self.is_on:
                for source in select([client, server], [], [], POLL_SECONDS)[0]:
                    piece = source.recv(65536)
                    if not piece or not self.is_on:
                        return
                    others[source].sendall(piece)


@contextmanager
def relay_to(server_port: int) -> Iterator[Relay]:
    relay = Relay(server_port)
    try:
        yield relay
    finally:
        relay.close()

"""A TCP proxy in front of the tests' database, which a test can freeze."""

import selectors
import socket
from contextlib import suppress
from threading import Event, Thread

from django.db import connection


class Proxy:
    """Passes bytes on until `freeze`. Connections stay open and nothing arrives from then on."""

    def __init__(self, port: int = 0, database: tuple[str, int] | None = None) -> None:
        """`database` is the host and port of the server, by default that of the tests."""
        settings = connection.settings_dict
        self._database = database or (
            settings["HOST"] or "/var/run/postgresql",
            int(settings["PORT"] or 5432),
        )
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._frozen = Event()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._thread = Thread(target=self._serve, name="proxy")
        self._thread.start()

    def freeze(self) -> None:
        self._frozen.set()
        self._wake_writer.send(b".")
        self._thread.join()

    def successor(self, port: int = 0) -> "Proxy":
        """Another proxy in front of the same database."""
        return Proxy(port, self._database)

    def close(self) -> None:
        if self._thread.is_alive():
            self.freeze()
        for each in (self._listener, self._wake_reader, self._wake_writer, *self._peers):
            each.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while not self._frozen.is_set():
                for key, _ in selector.select():
                    if key.fileobj is self._listener:
                        for end in self._accept():
                            selector.register(end, selectors.EVENT_READ)
                    elif key.fileobj is not self._wake_reader:
                        self._pass_on(key.fileobj, selector)

    def _accept(self) -> tuple[socket.socket, socket.socket]:
        client, _ = self._listener.accept()
        server = self._connect_to_database()
        self._peers |= {client: server, server: client}
        return client, server

    def _pass_on(self, end: socket.socket, selector: selectors.BaseSelector) -> None:
        if end not in self._peers:
            return  # closed together with its peer a moment ago
        with suppress(ConnectionError):
            if data := end.recv(65536):
                self._peers[end].sendall(data)
                return
        for each in (end, self._peers[end]):
            selector.unregister(each)
            del self._peers[each]
            each.close()

    def _connect_to_database(self) -> socket.socket:
        host, port = self._database
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

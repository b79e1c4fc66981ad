"""PostgreSQL servers with stock settings, and the address that moves between them."""

import selectors
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread

import psycopg

from .parts import Part, wait_until

ACCOUNT = "postgres"
DISK_MEGABYTES = 1200


class Postgres:
    """A server whose data is on a file system of its own, so that it can be full."""

    def __init__(self, name: str, root: Path, binaries: Path, port: int, logs: Path) -> None:
        self.name = name
        self.port = port
        self.mount = root / name
        self.data = self.mount / "data"
        self._binaries = binaries
        self.mount.mkdir()
        options = f"size={DISK_MEGABYTES}m,mode=0755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", self.mount], check=True)
        shutil.chown(self.mount, ACCOUNT)
        command = [binaries / "postgres", "-D", self.data, "-p", str(port), "-k", "", "-h"]
        self.part = Part(name, [*map(str, command), "127.0.0.1"], logs=logs, user=ACCOUNT)

    def initialize(self) -> None:
        self._as_account("initdb", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D", self.data)

    def copy_from(self, primary: "Postgres") -> None:
        """Become a standby, whose receipt of each commit the primary waits for."""
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name={self.name}"
        self._as_account("pg_basebackup", "-d", source, "-D", self.data, "-R", "-c", "fast")

    def start(self) -> None:
        self.part.start()
        wait_until(self.responds, 60, self.name)

    def responds(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname=database,
            autocommit=True, connect_timeout=3,
        )  # fmt: skip

    def fill_disk(self) -> None:
        """Leave no room for a page."""
        with (self.mount / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 65536)

    def empty_disk(self) -> None:
        (self.mount / "filler").unlink(missing_ok=True)

    def remove(self) -> None:
        self.part.stop()
        subprocess.run(["umount", "-l", self.mount], check=False)

    def _as_account(self, program: str, *arguments: str | Path) -> None:
        command = ["setpriv", "--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups"]
        subprocess.run(
            [*command, self._binaries / program, *arguments],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip


class Address:
    """A TCP address that passes connections on to the server that is the primary."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[socket.socket, socket.socket] = {}
        self._lock = Lock()
        self._is_closed = Event()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        Thread(target=self._serve, name="address", daemon=True).start()

    def move(self, target: int) -> None:
        """Pass on to another server, and close the connections to the former one."""
        self._target = target
        with self._lock:
            for end in list(self._peers):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._is_closed.set()
        self._listener.close()

    def _serve(self) -> None:
        while not self._is_closed.is_set():
            for key, _ in self._selector.select(timeout=0.5):
                with suppress(OSError):
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._pass_on(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=3)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        with self._lock:
            self._peers |= {client: server, server: client}
        for end in (client, server):
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        peer = self._peers.get(end)
        if peer is None:
            return
        data = b""
        with suppress(OSError):
            data = end.recv(65536)
        if data:
            with suppress(OSError):
                peer.sendall(data)
                return
        with self._lock:
            for each in (end, peer):
                self._selector.unregister(each)
                del self._peers[each]
                each.close()

"""The web server as the Procfile starts it, for tests with real connections."""

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def command() -> list[str]:
    """The Procfile's line for `web`, with this Python."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    (line,) = (line.partition(": ")[2] for line in lines if line.startswith("web: "))
    program, *arguments = line.split()
    assert program == "python"
    return [sys.executable, *arguments]


class ServerProcess:
    """The server on the tests' database; further settings by their names in the environment."""

    def __init__(self, **settings: str) -> None:
        database = connection.settings_dict
        self.port = free_port()
        self.environment = {
            **os.environ,
            "DATABASE_URL": f"postgresql:///{database['NAME']}",
            "PGHOST": database["HOST"],
            "PGPORT": str(database["PORT"]),
            "PGUSER": database["USER"],
            "PGPASSWORD": database["PASSWORD"],
            "SECRET_KEY": "of-a-server-that-lives-for-one-test-0123456789",
            "PORT": str(self.port),
            "RATE_LIMITS": "off",
            "TRUSTED_PROXIES": "0",
            **settings,
        }
        self.process = subprocess.Popen(
            command(), cwd=ROOT, env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_for(self.is_up)

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.process.stderr.read()
        with suppress(OSError):
            return self.request("GET", "/healthz").status == 200
        return False

    def workers(self) -> list[int]:
        return workers_of(self.process.pid)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def refuses_connections(self) -> bool:
        try:
            self.connect().close()
        except ConnectionError:  # also of one that was queued while the socket was closed
            return True
        return False

    def client(self) -> http.client.HTTPConnection:
        """A connection for several requests."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> "Response":
        """On a connection of its own."""
        with closing(self.client()) as client:
            return ask(client, method, path, body, **headers)

    def stop(self) -> None:
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        processes = Path(children).read_text().split()
        self.process.terminate()
        status = self.process.wait(timeout=60)
        self.process.stderr.close()
        assert status == 0
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes), seconds=5)


def workers_of(pid: int) -> list[int]:
    """The ids of the processes that serve, of the server with this id.

    A server has another child, the resource tracker of `multiprocessing`.
    """
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in command_line(int(child))]


def command_line(pid: int) -> bytes:
    with suppress(OSError):  # it has just ended
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


class Response:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    client: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str
) -> Response:
    """`body` is bytes, or a value for JSON; `_` in a header's name stands for a hyphen."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **sent}
    client.request(method, path, body=body, headers=sent)
    return Response(client.getresponse())


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        return int(found.getsockname()[1])


def wait_for(holds: Callable[[], bool], seconds: float = 60, interval: float = 0.05) -> None:
    async def check() -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(interval)

    asyncio.run(check())

"""The application as separate processes, for tests of crashes and of several processes."""

import http.client
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psycopg

from config.devserver.embedded_postgres import Server, locate
from config.tests.server import command, free_port, workers_of

ROOT = Path(__file__).resolve().parents[2]


class Deployment:
    """The server processes of the application, with their own database."""

    def __init__(self, data_dir: Path) -> None:
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "DATA_DIR": str(data_dir),
            "EMBEDDED_POSTGRES_GRACE_SECONDS": "1",
            "RATE_LIMITS": "off",
        }
        self.postgres: Server = locate(data_dir / "postgres")
        self.port = free_port()
        self.web: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        self.web = subprocess.Popen(
            command(), cwd=ROOT, env={**self.environment, "PORT": str(self.port)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self.is_up, 90)

    def is_up(self) -> bool:
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as client,
        ):
            client.request("GET", "/readyz")
            return client.getresponse().status == 200
        return False

    def kill_a_web_process(self) -> None:
        assert self.web is not None
        os.kill(workers_of(self.web.pid)[0], signal.SIGKILL)

    def kill_postgres(self) -> None:
        pid = (self.postgres.data / "postmaster.pid").read_text().splitlines()[0]
        os.kill(int(pid), signal.SIGKILL)

    def sql(self, statement: str) -> list[tuple]:
        """Runs a statement in its own session and returns the rows."""
        where = {"host": str(self.postgres.socket_dir), "user": self.postgres.user}
        with psycopg.connect(**where, dbname="postgres", autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        if self.web is not None:
            self.web.terminate()
            self.web.wait(20)
        wait_for(lambda: not (self.postgres.data / "postmaster.pid").exists())


def wait_for(condition, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "timed out"
        time.sleep(0.05)

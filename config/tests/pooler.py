"""PgBouncer in front of the tests' database, as docs/deployment configures it.

As a plugin of pytest (`-p config.tests.pooler`), it makes all tests connect by PgBouncer, as the
requests of a deployment with a pooler do.
"""

import configparser
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from django.db import connection

from config.database import roles
from config.database.options import pooled
from config.tests.server import free_port, wait_for

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def _pooled_connections(django_db_setup, django_db_blocker) -> Iterator[None]:
    database = connection.settings_dict
    direct = dict(database)
    with django_db_blocker.unblock():
        roles.store_role_parameters(connection)
        connection.close()
        with running_pooler(pool_size=20) as port:
            address = {"HOST": "127.0.0.1", "PORT": str(port), "OPTIONS": {}}
            database.update(pooled(direct | address, prepares=False))
            yield
            connection.close()
            database.update(direct)


@contextmanager
def running_pooler(pool_size: int) -> Iterator[int]:
    """The port of a PgBouncer for the tests' database. The test is skipped if there is none."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.skip("pgbouncer is not installed")
    database = connection.settings_dict
    name, user, password = database["NAME"], database["USER"], database["PASSWORD"]
    port = free_port()
    host = Path(database["HOST"] or "/var/run/postgresql")
    configuration = documented_configuration()
    configuration["databases"] = {
        name: f"host={host} port={database['PORT'] or 5432} dbname={name}"
        + ("" if password else f" user={user}")
    }
    with TemporaryDirectory(dir="/var/tmp") as directory:
        users = Path(directory, "userlist.txt")
        users.write_text(f'"{user}" "{password}"\n')
        configuration["pgbouncer"].update(
            {
                "listen_port": str(port),
                "unix_socket_dir": "",
                "auth_type": "plain" if password else "any",
                "auth_file": str(users),
                "default_pool_size": str(pool_size),
            }
        )
        file = Path(directory, "pgbouncer.ini")
        with file.open("w") as output:
            configuration.write(output)
        process = _start(program, file, host)
        try:
            wait_for(lambda: can_connect(port))
            yield port
        finally:
            process.terminate()
            process.wait(30)


def documented_configuration() -> configparser.ConfigParser:
    text = (PROJECT / "docs" / "deployment" / "README.md").read_text()
    (example,) = re.findall(r"```ini\n(\[databases\].*?)```", text, re.DOTALL)
    configuration = configparser.ConfigParser()
    configuration.read_string(example)
    return configuration


def _start(program: str, file: Path, host: Path) -> subprocess.Popen[bytes]:
    """PgBouncer refuses to run as root, so it runs as the account of the tests' server."""
    options = {}
    if os.geteuid() == 0:
        status = host.stat() if host.is_dir() else None
        uid = status.st_uid if status and status.st_uid else pwd.getpwnam("nobody").pw_uid
        for path in (file.parent, *file.parent.iterdir()):
            os.chown(path, uid, -1)
        options = {"user": uid, "group": pwd.getpwuid(uid).pw_gid, "extra_groups": []}
    return subprocess.Popen(
        [program, "-q", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )


def can_connect(port: int) -> bool:
    database = connection.settings_dict
    try:
        psycopg.connect(
            host="127.0.0.1", port=port, dbname=database["NAME"], user=database["USER"],
            password=database["PASSWORD"],
        ).close()  # fmt: skip
    except psycopg.OperationalError:
        return False
    return True

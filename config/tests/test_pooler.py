"""PgBouncer in transaction mode in front of the web server, as docs/deployment describes it."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from psycopg.sql import SQL, Identifier

from config.database import roles
from config.database.options import ROLE_PARAMETERS, pooled
from config.tests.pooler import can_connect, running_pooler
from config.tests.server import ServerProcess
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.services.integrity import find_faults
from registrations.tests.deployment import wait_for

PROJECT = Path(__file__).parents[2]
# Names of prepared statements would collide on a single server connection.
POOL_SIZE = 2

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("pooler")]


@pytest.fixture(scope="module")
def port(django_db_setup) -> Iterator[int]:
    """That of a PgBouncer in front of the tests' database."""
    with running_pooler(POOL_SIZE) as port:
        yield port


@pytest.fixture
def pooler(port) -> str:
    """The address of the tests' database by the pooler."""
    database = connection.settings_dict
    return f"postgresql://{database['USER']}@127.0.0.1:{port}/{database['NAME']}?sslmode=disable"


@pytest.fixture
def environment(pooler) -> dict[str, str]:
    database = connection.settings_dict
    return {
        "DATABASE_URL": pooler,
        "DATABASE_DIRECT_URL": f"postgresql:///{database['NAME']}",
        "PREPARED_STATEMENTS": "",
    }


@pytest.fixture
def _parameters(port) -> Iterator[None]:
    """The role has the parameters in the tests' database."""
    roles.store_role_parameters(connection)
    reconnect(port)
    yield
    name = Identifier(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(SQL("ALTER ROLE CURRENT_USER IN DATABASE {} RESET ALL").format(name))
    reconnect(port)


def reconnect(port: int) -> None:
    """End PgBouncer's connections, since parameters of a role apply to new ones."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    wait_for(lambda: can_connect(port))


@pytest.mark.usefixtures("_parameters")
def test_registrations_by_the_pooler_are_complete(environment):
    event = EventFactory(max_capacity=30, waitlist_enabled=True)
    path = f"/api/events/{event.pk}/register/"
    server = ServerProcess(**environment, WEB_CONCURRENCY="2")

    def register(number: int) -> int:
        body = {"name": f"N{number}", "email": f"n{number}@example.com"}
        return server.request("POST", path, body).status

    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(register, range(60)))
        lists = {server.request("GET", "/api/events/?search=event").status for _ in range(20)}
        readiness = server.request("GET", "/readyz")
    server.stop()

    assert statuses == {201: 60}
    assert lists == {200}
    assert readiness.status == 200, readiness.body
    assert Registration.objects.filter(event=event, status="confirmed").count() == 30
    assert list(find_faults()) == []


@pytest.mark.usefixtures("_parameters")
def test_connection_by_the_pooler_has_the_parameters_of_the_role(pooler):
    password = connection.settings_dict["PASSWORD"]
    with psycopg.connect(pooler, password=password) as client:
        client.execute("SELECT similarity('', '')")
        values = {
            name: client.execute("SELECT current_setting(%s)", [name]).fetchone()[0]
            for name in ROLE_PARAMETERS
        }

    assert values.pop("timezone") in {"UTC", "Etc/UTC"}
    assert values == {name: ROLE_PARAMETERS[name] for name in values}


def test_web_without_the_parameters_does_not_start(environment):
    database = connection.settings_dict
    done = subprocess.run(
        [sys.executable, "-m", "config.server"],
        cwd=PROJECT,
        env={
            **os.environ, **environment,
            "PGHOST": database["HOST"], "PGPORT": str(database["PORT"]),
            "PGUSER": database["USER"], "PGPASSWORD": database["PASSWORD"],
            "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz",
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"Configuration error: Connections by DATABASE_URL have other parameters "
        r"\(lock_timeout is 0 instead of 5s, [^\n]+ Run `python manage.py migrate` [^\n]+\n",
        done.stderr,
    )


def test_options_in_the_address_of_a_pooler_are_refused():
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL must have no options "):
        pooled({"OPTIONS": {"options": "-c lock_timeout=1s"}}, prepares=False)

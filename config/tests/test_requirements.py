"""A database that cannot be used is refused before anything is migrated."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import ConnectionHandler, connection

from config.api.sql import requirements
from events.models import Event
from events.tests.factories import EventFactory
from registrations.tests.factories import registered

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def database(django_db_setup, django_db_blocker) -> Iterator[Callable[[str], str]]:
    """Creates databases by the options of CREATE DATABASE and returns their names."""
    names: list[str] = []

    def create(options: str) -> str:
        name = f"{connection.settings_dict['NAME']}_{len(names)}"
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 {options}')
        names.append(name)
        return name

    yield create
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for name in names:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def run(name: str, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of the project on another database of the tests' server."""
    settings = connection.settings_dict
    variables = {
        "DATABASE_URL": f"postgresql:///{name}",
        "PGHOST": settings["HOST"],
        "PGPORT": str(settings["PORT"]),
        "PGUSER": settings["USER"],
        "PGPASSWORD": settings["PASSWORD"],
        "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz",
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "prefix"),
    [
        (("manage.py", "check"), "Configuration error"),
        (("manage.py", "migrate", "--noinput"), "Configuration error"),
        (("-m", "config.server"), "Configuration error"),
        (("-m", "config.devserver.start"), "Cannot start"),
    ],
)
def test_database_without_unicode_is_refused_in_one_line(database, command, prefix):
    name = database("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")

    done = run(name, *command)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"{prefix}: The database has the encoding LATIN1. Create it with UTF8: "
        "createdb --encoding=UTF8 --template=template0 events\n"
    )


@pytest.mark.django_db(transaction=True)
def test_database_without_an_encoding_is_refused(database):
    other = ConnectionHandler(
        {
            "default": {
                **connection.settings_dict,
                "NAME": database("ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"),
            }
        }
    )["default"]

    with pytest.raises(ImproperlyConfigured, match=r"^The database has the encoding SQL_ASCII\."):
        requirements.check_server(other)

    other.close()


@pytest.mark.django_db
def test_older_server_is_refused(monkeypatch):
    major, minor = connection.get_database_version()
    monkeypatch.setattr(requirements, "MIN_VERSION", major + 1)

    with pytest.raises(ImproperlyConfigured) as raised:
        connection.check_database_version_supported()

    assert str(raised.value) == (
        f"PostgreSQL {major + 1} or later is required. The server is {major}.{minor}."
    )


@pytest.mark.django_db
def test_server_without_an_extension_is_refused(monkeypatch):
    monkeypatch.setattr(requirements, "EXTENSIONS", ("cube", "no_such_extension"))

    with pytest.raises(ImproperlyConfigured) as raised:
        call_command("check", databases=["default"])

    assert str(raised.value) == (
        "The PostgreSQL server has no extension no_such_extension. "
        "Install PostgreSQL's contrib modules on it."
    )


@pytest.mark.django_db
def test_check_without_a_database_says_so():
    done = run("no_such_database", "manage.py", "check")

    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first.startswith("The database was not checked: ")
    assert first.endswith('database "no_such_database" does not exist')
    assert second == "System check identified no issues (3 silenced)."


@pytest.mark.django_db
def test_migrations_without_a_database_end_with_one_line():
    done = run("no_such_database", "manage.py", "migrate", "--noinput")

    assert done.returncode == 1
    assert re.fullmatch(
        r"Database error: [^\n]+ database \"no_such_database\" does not exist\n", done.stderr
    )


@pytest.fixture
def _extensions_elsewhere(_superuser) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA heroku_ext")
        for extension in requirements.EXTENSIONS:
            cursor.execute(f"ALTER EXTENSION {extension} SET SCHEMA heroku_ext")


@pytest.mark.usefixtures("_extensions_elsewhere")
def test_extension_outside_of_the_search_path_is_refused():
    with pytest.raises(ImproperlyConfigured) as raised:
        requirements.check_server(connection)

    assert str(raised.value) == (
        "Extensions are outside of the user's search_path: cube in heroku_ext, fuzzystrmatch in "
        "heroku_ext, pg_trgm in heroku_ext, unaccent in heroku_ext."
    )


@pytest.fixture
def jazz(_extensions_elsewhere, olga) -> Event:
    """An event that is created while the extensions are in another schema of the search path."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path TO public, heroku_ext")
    event = EventFactory(
        organizer=olga, name="Jazz festival", latitude=52.5, longitude=13.4, location="Berlin"
    )
    registered(event, name="Zoë Müller-Lüdenscheidt")
    return event


@pytest.mark.parametrize(
    "query",
    ["search=jazz", "search=jaz festivel", "near=52.5,13.4", "near=52.4,13.3&radius=50"],
)
def test_search_uses_extensions_in_another_schema(jazz, anyone, query):
    requirements.check_server(connection)

    rows = anyone.get(f"/api/events/?{query}").json()["results"]

    assert [row["id"] for row in rows] == [jazz.pk]


def test_attendees_are_found_with_extensions_in_another_schema(jazz, signed_in, olga):
    rows = signed_in(olga).get(f"/api/events/{jazz.pk}/attendees/?search=muller").json()["results"]

    assert [row["name"] for row in rows] == ["Zoë Müller-Lüdenscheidt"]

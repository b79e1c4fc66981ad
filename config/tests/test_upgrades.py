"""Migrations of tables that are in use, and databases of other versions."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Event as Signal
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.apps.registry import Apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from psycopg.errors import DeadlockDetected, LockNotAvailable

from config.api.sql.concurrent_indexes import BuildIndex
from config.database import schema
from config.devserver.schema_history import delete_everything, require_known_history
from events.models import Event
from registrations.models import Registration
from registrations.services.integrity import find_faults

PROJECT = Path(__file__).parents[2]
RELEASED = (PROJECT / ".ci" / "released_migrations.txt").read_text().split()
REGISTER = (Path(__file__).parent / "released_registering.sql").read_text()

INDEX = "SELECT oid, indisvalid FROM pg_index, pg_class WHERE oid = indexrelid AND relname = %s"


@pytest.mark.django_db(transaction=True)
def test_invalid_index_of_an_interrupted_migration_is_rebuilt():
    state = SimpleNamespace(apps=Event._meta.apps)
    with connection.cursor() as cursor:
        cursor.execute(INDEX, ["by_start"])
        ((before, _),) = cursor.fetchall()
    index = next(each for each in Event._meta.indexes if each.name == "by_start")

    with connection.schema_editor(atomic=False) as editor:
        BuildIndex("event", index).database_forwards("events", editor, state, state)

    with connection.cursor() as cursor:
        cursor.execute(INDEX, ["by_start"])
        ((after, is_valid),) = cursor.fetchall()
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("5s",)
    assert (after != before, is_valid) == (True, True)


@pytest.mark.django_db(transaction=True)
def test_column_of_an_interrupted_migration_is_not_added_twice():
    field = Event._meta.get_field("key_number")

    with connection.schema_editor(atomic=False) as editor:
        editor.add_field(Event, field)

    with (
        pytest.raises(ProgrammingError, match="already exists"),
        connection.schema_editor() as editor,
    ):
        editor.add_field(Event, field)


def lock_timeout() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        (text,) = cursor.fetchone()
    return str(text)


def lock_error() -> OperationalError:
    error = OperationalError("canceling statement due to lock timeout")
    error.__cause__ = LockNotAvailable()
    return error


@pytest.mark.django_db(transaction=True)
def test_statement_that_alters_a_table_is_repeated_until_its_readers_are_done(monkeypatch):
    monkeypatch.setattr(schema, "LOCK_TIMEOUTS", ("20ms", "30ms"))
    with psycopg.connect(**connection.get_connection_params()) as reader:
        reader.execute("SELECT 1 FROM events_category")
        timeouts: list[str] = []

        def sleep(seconds: float) -> None:
            timeouts.append(lock_timeout())
            reader.rollback()

        monkeypatch.setattr(schema, "sleep", sleep)

        with connection.schema_editor(atomic=False) as editor:
            editor.execute("ALTER TABLE events_category ADD COLUMN color text")
            editor.execute("ALTER TABLE events_category DROP COLUMN color")

    assert [*timeouts, lock_timeout()] == ["30ms", "5s"]


@pytest.mark.django_db(transaction=True)
def test_migration_whose_last_statement_fails_is_rolled_back():
    def migrate_to_colors() -> None:
        with connection.schema_editor() as editor:
            editor.execute("ALTER TABLE events_category ADD COLUMN color text")
            editor.deferred_sql.append("ALTER TABLE no_such_table ADD COLUMN color text")

    with pytest.raises(ProgrammingError):
        migrate_to_colors()

    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, "events_category")
    assert not connection.in_atomic_block
    assert "color" not in {column.name for column in columns}


def test_migrate_is_repeated_until_it_has_its_locks(monkeypatch):
    failures = [lock_error(), lock_error()]

    def handle(*args: Any, **options: Any) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(migrate.Command, "handle", handle)
    monkeypatch.setattr(schema, "sleep", lambda seconds: None)

    call_command("migrate", stdout=(output := StringIO()), skip_checks=True)

    assert output.getvalue().count("waiting for requests or a vacuum of the table") == 2


@pytest.mark.parametrize("error", [OperationalError("no space"), lock_error()])
def test_migration_fails_for_another_reason_and_without_its_locks_in_time(monkeypatch, error):
    monkeypatch.setattr(schema, "PATIENCE_SECONDS", -1)

    def work() -> None:
        raise error

    with pytest.raises(OperationalError) as raised:
        schema.with_patience(work)

    assert raised.value is error


@pytest.mark.django_db
def test_database_of_a_development_version_is_refused():
    MigrationRecorder(connection).record_applied("events", "0026_fewer_indexes")

    with pytest.raises(
        CommandError, match=r"had events\.0026_fewer_indexes, and cannot be upgraded"
    ):
        require_known_history()


@pytest.mark.django_db
def test_database_of_this_version_is_accepted():
    require_known_history()


@pytest.mark.django_db
def test_new_database_deletes_every_table_of_the_private_one_alone(monkeypatch):
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    with pytest.raises(CommandError, match="not that of DATABASE_URL"):
        delete_everything()
    kept = connection.introspection.table_names()

    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "config.devserver.backend")
    delete_everything()

    assert "events_event" in kept
    assert connection.introspection.table_names() == []


# --- An upgrade while the released version serves ---


@pytest.fixture
def released(transactional_db) -> Iterator[Apps]:
    """Another database, with the released schema, for this test. Returns its models."""
    tests = connection.settings_dict["NAME"]
    name = f"{tests}_released"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    _use(name)
    executor = MigrationExecutor(connection)
    targets = [tuple(each.split(".")) for each in RELEASED]
    executor.migrate(targets)
    yield executor.loader.project_state(targets).apps
    _use(tests)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} (FORCE)")


def _use(name: str) -> None:
    """Connect to this database from now on."""
    connection.close()
    connection.settings_dict["NAME"] = name
    ContentType.objects.clear_cache()


class ReleasedVersion:
    """Registers guests at an event as the released version does, until `is_stopped` is set."""

    def __init__(self, event_id: int) -> None:
        self.event_id = event_id
        self.registered: list[uuid.UUID] = []
        self.is_stopped, self.has_registered = Signal(), Signal()
        self.parameters = connection.get_connection_params()

    def run(self) -> None:
        """Raises the first error, except for those that that version answers with 503."""
        with psycopg.connect(**self.parameters, autocommit=True) as client:
            while not self.is_stopped.is_set():
                pk = uuid.uuid4()
                try:
                    row = client.execute(REGISTER, self._guest(pk), prepare=True).fetchone()
                except (LockNotAvailable, DeadlockDetected):
                    continue  # that version responds with 503, and clients try again
                assert row[0], "refused"
                self.registered.append(pk)
                self.has_registered.set()
                self.is_stopped.wait(0.01)

    def registers(self) -> bool:
        """Whether it registers one more guest."""
        self.has_registered.clear()
        return self.has_registered.wait(30)

    def _guest(self, pk: uuid.UUID) -> dict[str, Any]:
        return {
            "id": pk, "event_id": self.event_id, "user_id": None, "registered_by_id": None,
            "actor_id": None, "reason": "by_guest", "name": "Bob", "email": f"{pk}@example.com",
            "ticket_code": pk.hex[:16], "now": timezone.now(), "notify": True, "request_id": "",
        }  # fmt: skip


def test_released_version_registers_guests_while_the_new_version_migrates(released):
    start = timezone.now() + timedelta(days=1)
    event = released.get_model("events", "Event").objects.create(
        name="Fair", location="Hall", start_time=start, end_time=start + timedelta(hours=1),
        max_capacity=20, waitlist_enabled=True,
        organizer=released.get_model("accounts", "User").objects.create(username="olga"),
    )  # fmt: skip
    clients = [ReleasedVersion(event.pk) for _ in range(2)]

    with ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(client.run) for client in clients]
        try:
            before = [client.registers() for client in clients]
            call_command("migrate", verbosity=0)
            after = [client.registers() for client in clients]
        finally:
            for client in clients:
                client.is_stopped.set()
        for each in running:
            each.result()

    assert (before, after) == ([True] * 2, [True] * 2)
    acknowledged = {pk for client in clients for pk in client.registered}
    assert set(Registration.objects.values_list("pk", flat=True)) == acknowledged
    assert Event.objects.get().registered_count == 20
    assert list(find_faults()) == []

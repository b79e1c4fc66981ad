"""Migrations of tables that are in use, and databases of other versions."""

import pytest
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from config.api.sql.concurrent_indexes import BuildIndex
from config.devserver.schema_history import delete_everything, require_known_history
from events.models import Event

INDEX = "SELECT oid, indisvalid FROM pg_index, pg_class WHERE oid = indexrelid AND relname = %s"


@pytest.mark.django_db(transaction=True)
def test_invalid_index_of_an_interrupted_migration_is_rebuilt():
    state = ProjectState.from_apps(Event._meta.apps)
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

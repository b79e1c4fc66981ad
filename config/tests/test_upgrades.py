"""Migrations of tables that are in use."""

import pytest
from django.db import connection
from django.db.migrations.state import ProjectState

from config.api.sql.concurrent_indexes import BuildIndex
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

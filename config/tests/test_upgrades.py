"""Migrations of tables that are in use."""

import pytest
from django.db import connection
from django.db.migrations import AddIndex, CreateModel
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from config.api.sql.concurrent_indexes import BuildIndex
from events.models import Event

LARGE = {"event", "registration", "ledgerentry", "notification"}
# They write the whole table anew besides, or came while there was nothing to upgrade.
STOPS_WRITERS = {
    ("events", "0004_reminders"),
    ("events", "0005_series"),
    ("events", "0007_search_vocabulary"),
    ("events", "0008_filters_by_index"),
    ("events", "0009_places"),
    ("registrations", "0002_ledger_and_check_in"),
    ("registrations", "0005_fewer_indexes"),
}
INDEX = "SELECT oid, indisvalid FROM pg_index, pg_class WHERE oid = indexrelid AND relname = %s"


def test_no_new_migration_builds_an_index_of_a_large_table_under_a_lock():
    found = set()
    for key, migration in MigrationLoader(None).disk_migrations.items():
        made = {each.name_lower for each in migration.operations if isinstance(each, CreateModel)}
        for each in migration.operations:
            if type(each) is AddIndex and each.model_name_lower in LARGE - made:
                found.add(key)

    assert {key for key in found if key[0] in {"accounts", "events", "registrations"}} == (
        STOPS_WRITERS
    )


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

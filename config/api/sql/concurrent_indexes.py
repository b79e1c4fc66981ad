"""Migrations of indexes on tables that are in use.

A plain `AddIndex` blocks all writes until the index is built. These operations build concurrently,
in a migration with `atomic = False`. An interrupted migration can be run again: the invalid index
that it left is built anew.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently

from config.database.schema import LOCK_TIMEOUTS


class BuildIndex(AddIndexConcurrently):
    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        with _without_lock_timeout(schema_editor):
            if self.allow_migrate_model(schema_editor.connection.alias, model):
                schema_editor.remove_index(model, self.index, concurrently=True)  # IF EXISTS
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class DropIndex(RemoveIndexConcurrently):
    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        with _without_lock_timeout(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


@contextmanager
def _without_lock_timeout(schema_editor: Any) -> Iterator[None]:
    """Lift the limit: a concurrent build waits for every transaction that began before it."""
    schema_editor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        schema_editor.execute(f"SET lock_timeout = '{LOCK_TIMEOUTS[0]}'")

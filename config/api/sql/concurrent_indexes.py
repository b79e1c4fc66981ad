"""Migrations of indexes on tables that are in use.

A plain `AddIndex` lets nobody write until it is built. These build while the table is written to,
in a migration with `atomic = False`. One that was interrupted is run again: what it left, an index
that is not valid, is built anew.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently


class BuildIndex(AddIndexConcurrently):
    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        with _patience(schema_editor):
            if self.allow_migrate_model(schema_editor.connection.alias, model):
                schema_editor.remove_index(model, self.index, concurrently=True)  # IF EXISTS
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class DropIndex(RemoveIndexConcurrently):
    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        with _patience(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


@contextmanager
def _patience(schema_editor: Any) -> Iterator[None]:
    """Without the limit for locks: both wait for all transactions that began before."""
    schema_editor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        schema_editor.execute("RESET lock_timeout")

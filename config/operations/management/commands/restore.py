from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config.devserver.schema_history import require_known_history
from config.operations.client_programs import run_for_database


class Command(BaseCommand):
    help = (
        "Restores a backup into the database of the settings, which has to be empty, and checks "
        "the integrity of what it restored. Either everything is restored or nothing."
    )
    requires_system_checks = []  # They may need the tables.

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        if not file.is_file():
            raise CommandError(f"There is no file {file}.")
        if connection.introspection.table_names():
            raise CommandError("The database has tables. Restore into an empty one.")
        run_for_database(
            "pg_restore", "--no-owner", "--no-privileges", "--single-transaction", file
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        require_known_history()
        if _pending_migrations():
            self.stdout.write(
                "Restored. The backup is of an earlier version: run the commands migrate and "
                "check_integrity."
            )
            return
        call_command("check_integrity", stdout=self.stdout, stderr=self.stderr)


def _pending_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))

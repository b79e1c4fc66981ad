from typing import Any

from django.core.management.commands import migrate

from config.database.schema import with_patience


class Command(migrate.Command):
    """Django's command, which tries a migration again that did not get its locks."""

    def handle(self, *args: Any, **options: Any) -> None:
        run = super().handle
        with_patience(
            lambda: run(*args, **options),
            lambda: self.stdout.write(" waiting for requests or a vacuum of the table"),
        )

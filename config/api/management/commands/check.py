from typing import Any

from django.core.management.commands import check
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

from config.api.limited_log import first_line


class Command(check.Command):
    """Django's command, which checks the database too unless `--database` names others."""

    def handle(self, *app_labels: Any, **options: Any) -> None:
        if not options["databases"] and self._is_reachable():
            options["databases"] = [DEFAULT_DB_ALIAS]
        super().handle(*app_labels, **options)

    def _is_reachable(self) -> bool:
        """Whether there is a connection. A check without a database is no failure."""
        try:
            connections[DEFAULT_DB_ALIAS].ensure_connection()
        except OperationalError as error:
            self.stdout.write(f"The database was not checked: {first_line(error)}")
            return False
        return True

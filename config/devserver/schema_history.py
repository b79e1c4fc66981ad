"""Databases with migrations that this version does not know: those of development versions."""

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader

_OURS = {"api", "accounts", "events", "registrations"}


def require_known_history() -> None:
    """Raise `CommandError` for a database that cannot be upgraded."""
    loader = MigrationLoader(connection)
    unknown = {key for key in loader.applied_migrations if key[0] in _OURS} - set(
        loader.disk_migrations
    )
    if not unknown:
        return
    is_private = _is_private()
    advice = (
        "`make run NEW_DATABASE=yes` deletes everything in it and starts again."
        if is_private
        else "Name an empty one in DATABASE_URL."
    )
    raise CommandError(
        f"the database is of another version, which had {'.'.join(min(unknown))}, and cannot be "
        f"upgraded. {advice}"
    )


def delete_everything() -> None:
    """Empty the private PostgreSQL of this checkout. Raises `CommandError` for any other."""
    if not _is_private():
        raise CommandError("only the checkout's own database is deleted, not that of DATABASE_URL.")
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")


def _is_private() -> bool:
    return bool(settings.DATABASES["default"]["ENGINE"] == "config.devserver.backend")

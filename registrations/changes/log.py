"""Moves changes into the log, and deletes old ones from it."""

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from ..models import TYPES_OF_SCANS

_DELETE = """
    WITH old AS (
        DELETE FROM registrations_change
        WHERE position <= (
            SELECT position FROM registrations_change
            WHERE at < %s AND type <> ALL(%s)
            ORDER BY position DESC LIMIT 1
        )
        RETURNING position
    )
    UPDATE registrations_changelog
    SET expired_to = greatest(expired_to, (SELECT max(position) FROM old))
    WHERE id = 1 AND EXISTS (SELECT FROM old)
    RETURNING (SELECT count(*) FROM old)
"""


def sequence_changes() -> None:
    """Move the committed changes into the log, unless another call is doing so."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sequence_changes()")


def delete_old_changes() -> int:
    """Delete the changes of more than `CHANGES_DAYS` ago, and return their number.

    Everything before such a change is deleted too, so that no cursor skips a change silently. A
    scan does not count: it may have happened long before it was sent.
    """
    sequence_changes()
    with connection.cursor() as cursor:
        before = timezone.now() - timedelta(days=settings.CHANGES_DAYS)
        cursor.execute(_DELETE, [before, list(TYPES_OF_SCANS)])
        row = cursor.fetchone()
    return row[0] if row else 0

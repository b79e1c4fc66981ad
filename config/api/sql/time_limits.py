"""Statements that may take a limited time."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import QueryCanceled

from .watched_connection import blocking_for

# For an export of any size.
LONG_SECONDS = 600


class TookTooLong(Exception):
    """A statement was cancelled at its time limit."""


@contextmanager
def limited(connection: BaseDatabaseWrapper, *, milliseconds: int) -> Iterator[None]:
    """Run statements of the connection, each with the time limit, in a transaction.

    Raises `TookTooLong`; a transaction around this one can go on.
    """
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('statement_timeout'),"
                " set_config('statement_timeout', %s, true)",
                [str(milliseconds)],
            )
            (before, _) = cursor.fetchone()
            yield
            # In a longer transaction the limit would stay.
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TookTooLong from error
        raise


@contextmanager
def long_statements(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Allow statements of a request to take `LONG_SECONDS`. Caller has begun a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('statement_timeout'),"
            " set_config('statement_timeout', %s, true)",
            [f"{LONG_SECONDS}s"],
        )
        (before, _) = cursor.fetchone()
        with blocking_for(connection, LONG_SECONDS):
            yield
        # In a longer transaction the limit would stay.
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])

"""Time zones in SQL, which PostgreSQL reads from a database of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo

from django.db import DataError

from config.errors import InvalidTimezone

_INVALID_PARAMETER_VALUE = "22023"


@contextmanager
def zone_in_sql(zone: tzinfo) -> Iterator[None]:
    """For statements with `zone` among their parameters.

    Raises `InvalidTimezone` if PostgreSQL lacks the zone. Some packages leave out the old names of
    zones, such as `Asia/Calcutta`, and an old one lacks recent zones.
    """
    try:
        yield
    except DataError as error:
        if getattr(error.__cause__, "sqlstate", None) != _INVALID_PARAMETER_VALUE:
            raise
        raise InvalidTimezone(
            f"The database does not know the zone {zone}; choose another."
        ) from error

"""A model field for wall-clock times."""

from datetime import datetime
from typing import Any

from django.db import models


class LocalDateTimeField(models.DateTimeField):
    """A wall-clock time without a zone: a naive datetime, PostgreSQL's `timestamp`."""

    def db_type(self, connection: Any) -> str:
        return "timestamp"

    def cast_db_type(self, connection: Any) -> str:
        return "timestamp"

    def to_python(self, value: Any) -> datetime | None:
        if value is None or isinstance(value, datetime):
            return value
        return datetime.fromisoformat(value)

    def get_prep_value(self, value: Any) -> Any:
        """Returns the value unchanged: the base class would convert it to the current zone."""
        return self.to_python(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return value

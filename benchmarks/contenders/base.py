"""What a measure may ask of each contender."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import psycopg

from ..load import NUMBER


class Contender(ABC):
    """An application with tables of its own in the common database."""

    name: ClassVar[str]
    application: ClassVar[str]  # what the web server imports
    accepted: ClassVar[str] = "201"
    refused: ClassVar[str]  # the status when an event is full
    register_path: ClassVar[str]
    register_body: ClassVar[str] = f'{{"name": "Guest", "email": "guest{NUMBER}@example.org"}}'

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url

    def environment(self) -> dict[str, str]:
        """Of its server."""
        return {"BENCHMARKS_DATABASE_URL": self.database_url}

    @abstractmethod
    def create_tables(self) -> None: ...

    @abstractmethod
    def create_event(self, seats: int) -> int:
        """An event that is open to guests; returns its id."""

    @abstractmethod
    def add_registrations(self, event_id: int, number: int) -> None:
        """Straight into the tables, as if they had been accepted one by one."""

    @abstractmethod
    def remove_registrations(self) -> None:
        """All of them, of all events."""

    @abstractmethod
    def seats_taken(self, event_id: int) -> int:
        """By counting rows."""

    def _run(self, statement: str, **parameters: Any) -> Any:
        """Returns the first value of the first row, if there is any."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

"""What a measure may ask of each contender."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import psycopg

from ..load import NUMBER


def spread_events(table: str, capacity: str) -> str:
    """SQL that makes `number` events, of which seven in twelve are upcoming."""
    return f"""
        INSERT INTO {table} (name, description, location, start_time, end_time, {capacity})
        SELECT
            'Berlin Photography Workshop ' || n %% 997,
            'Talks, demos and time to meet the people behind them.',
            'City Hall, Berlin', start, start + '2 hours', 100
        FROM generate_series(1, %(number)s) n, LATERAL (
            SELECT now() + (n::bigint * 7919 %% 1200 - 500) * interval '1 day'
                + n %% 1440 * interval '1 minute' AS start
        ) AS times
    """


class Contender(ABC):
    """An application with tables of its own in the common database."""

    name: ClassVar[str]
    application: ClassVar[str]  # what the web server imports
    interface: ClassVar[str] = "wsgi"
    tables: ClassVar[tuple[str, ...]]  # what a turn writes to
    list_path: ClassVar[str]
    accepted: ClassVar[str] = "201"
    refused: ClassVar[str]  # the status when an event is full
    register_path: ClassVar[str]
    signed_in_paths: ClassVar[dict[str, str]]  # by the name of the measure
    signed_in_list_path: ClassVar[str]  # also where events are created
    create_body: ClassVar[str]
    register_body: ClassVar[str] = f'{{"name": "Guest", "email": "guest{NUMBER}@example.org"}}'

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url

    def environment(self) -> dict[str, str]:
        """Of its server."""
        return {"BENCHMARKS_DATABASE_URL": self.database_url}

    @abstractmethod
    def create_tables(self) -> None: ...

    @abstractmethod
    def create_events(self, number: int) -> None:
        """What the list is of; about as many are upcoming for each contender."""

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

    # What follows is asked only of the contenders that a measure names in `of`.

    def deep_path(self, port: int, rows: int) -> str:
        """The page of the list that has so many rows before it."""
        raise NotImplementedError

    def attendees_path(self, event_id: int) -> str:
        raise NotImplementedError

    def sign_in(self, port: int) -> dict[str, str]:
        """The headers of who may see attendees."""
        raise NotImplementedError

    def sign_in_request(self) -> tuple[str, str]:
        """The path and body by which somebody signs in with a password."""
        raise NotImplementedError

    def sign_up(self, port: int) -> dict[str, str]:
        """The headers of a new account that organizes thirty events."""
        raise NotImplementedError

    def _run(self, statement: str, **parameters: Any) -> Any:
        """Returns the first value of the first row, if there is any."""
        row = self._row(statement, **parameters)
        return row[0] if row else None

    def _row(self, statement: str, **parameters: Any) -> Any:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchone() if cursor.description else None

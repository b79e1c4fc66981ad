from ..bare import SCHEMA
from .base import Contender, spread_events


class Bare(Contender):
    name = "bare"
    application = "benchmarks.bare:application"
    refused = "409"
    register_path = "/events/{event_id}/register/"

    list_path = "/events/"
    tables = ("bare.event", "bare.registration")

    def create_tables(self) -> None:
        self._run(SCHEMA)

    def create_events(self, number: int) -> None:
        self._run(spread_events("bare.event", "capacity"), number=number)

    def create_event(self, seats: int) -> int:
        return self._run(
            "INSERT INTO bare.event (name, capacity) VALUES ('Fair', %(seats)s) RETURNING id",
            seats=seats,
        )

    def add_registrations(self, event_id: int, number: int) -> None:
        self._run(
            """
            WITH made AS (
                INSERT INTO bare.registration (id, event_id, name, email, registered_at)
                SELECT gen_random_uuid(), %(event_id)s, 'Guest', 'early' || n || '@example.org',
                    now()
                FROM generate_series(1, %(number)s) n
            )
            UPDATE bare.event SET taken = taken + %(number)s WHERE id = %(event_id)s
            """,
            event_id=event_id,
            number=number,
        )

    def remove_registrations(self) -> None:
        self._run("TRUNCATE bare.registration")

    def seats_taken(self, event_id: int) -> int:
        return self._run(
            "SELECT count(*) FROM bare.registration WHERE event_id = %(event_id)s",
            event_id=event_id,
        )

import os
import subprocess
import sys

from ..load import ROOT
from .base import Contender, spread_events


class Tutorial(Contender):
    name = "tutorial"
    application = "benchmarks.tutorial.wsgi:application"
    refused = "400"
    register_path = "/events/{event_id}/register/"

    list_path = "/events/"
    tables = ("tutorial.tutorial_event", "tutorial.tutorial_registration")

    def create_tables(self) -> None:
        self._run("CREATE SCHEMA tutorial")
        migrate = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
        subprocess.run(
            [*migrate, "--settings", "benchmarks.tutorial.settings"],
            cwd=ROOT,
            env={**os.environ, **self.environment()},
            check=True,
        )

    def create_events(self, number: int) -> None:
        self._run(spread_events("tutorial.tutorial_event", "max_capacity"), number=number)

    def create_event(self, seats: int) -> int:
        return self._run(
            """
            INSERT INTO tutorial.tutorial_event (
                name, description, location, start_time, end_time, max_capacity
            )
            VALUES ('Fair', '', 'Hall 1', now() + '30 days', now() + '31 days', %(seats)s)
            RETURNING id
            """,
            seats=seats,
        )

    def add_registrations(self, event_id: int, number: int) -> None:
        self._run(
            """
            INSERT INTO tutorial.tutorial_registration (event_id, name, email, registered_at)
            SELECT %(event_id)s, 'Guest', 'early' || n || '@example.org', now()
            FROM generate_series(1, %(number)s) n
            """,
            event_id=event_id,
            number=number,
        )

    def remove_registrations(self) -> None:
        self._run("TRUNCATE tutorial.tutorial_registration")

    def deep_path(self, port: int, rows: int) -> str:
        return f"{self.list_path}?page={rows // 20 + 1}"

    def attendees_path(self, event_id: int) -> str:
        return f"/events/{event_id}/attendees/"

    def sign_in(self, port: int) -> dict[str, str]:
        self._run(
            """
            WITH organizer AS (
                INSERT INTO tutorial.auth_user (
                    username, password, email, first_name, last_name, is_staff, is_superuser,
                    is_active, date_joined
                )
                VALUES ('organizer', '!', '', '', '', false, false, true, now())
                ON CONFLICT DO NOTHING RETURNING id
            )
            INSERT INTO tutorial.authtoken_token (key, created, user_id)
            SELECT %(key)s, now(), id FROM organizer
            """,
            key="0123456789abcdef" * 2,
        )
        return {"Authorization": f"Token {'0123456789abcdef' * 2}"}

    def seats_taken(self, event_id: int) -> int:
        return self._run(
            "SELECT count(*) FROM tutorial.tutorial_registration WHERE event_id = %(event_id)s",
            event_id=event_id,
        )

import secrets
from datetime import datetime
from uuid import uuid4

import jwt

from ..fastapi_key import SIGNING_KEY
from ..load import NUMBER
from .base import Contender, spread_events

_SCHEMA = """
    CREATE SCHEMA fastapi;
    CREATE TABLE fastapi.event (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        description text NOT NULL,
        location text NOT NULL,
        start_time timestamptz NOT NULL,
        end_time timestamptz NOT NULL,
        capacity integer NOT NULL,
        taken integer NOT NULL DEFAULT 0,
        organizer_id bigint,
        category text NOT NULL DEFAULT
            (ARRAY['conference', 'meetup', 'concert', 'workshop'])[1 + floor(random() * 4)::int],
        search tsvector GENERATED ALWAYS AS
            (to_tsvector('simple', name || ' ' || location || ' ' || description)) STORED
    );
    CREATE INDEX ON fastapi.event (category, start_time, id);
    CREATE INDEX ON fastapi.event USING gin (search);
    CREATE INDEX ON fastapi.event (start_time, id);
    CREATE INDEX ON fastapi.event (organizer_id, start_time, id);
    CREATE TABLE fastapi.account (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        email text NOT NULL UNIQUE
    );
    CREATE TABLE fastapi.sign_in (
        id uuid PRIMARY KEY,
        account_id bigint NOT NULL REFERENCES fastapi.account,
        ended_at timestamptz
    );
    CREATE TABLE fastapi.audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account_id bigint NOT NULL REFERENCES fastapi.account,
        event_id bigint NOT NULL REFERENCES fastapi.event,
        before jsonb NOT NULL,
        after jsonb NOT NULL,
        at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE fastapi.change (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id bigint NOT NULL REFERENCES fastapi.event,
        type text NOT NULL,
        at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE fastapi.registration (
        id uuid PRIMARY KEY,
        event_id bigint NOT NULL REFERENCES fastapi.event,
        name text NOT NULL,
        email text NOT NULL,
        registered_at timestamptz NOT NULL,
        UNIQUE (event_id, email)
    );
"""


_SIGN_UP = """
    WITH account AS (
        INSERT INTO fastapi.account (email) VALUES (%(email)s) RETURNING id
    ), organized AS (
        INSERT INTO fastapi.event (
            name, description, location, start_time, end_time, capacity, organizer_id
        )
        SELECT 'Fair', '', 'Hall 1', now() + '30 days', now() + '31 days', 1000000, account.id
        FROM account, generate_series(1, 30)
    )
    INSERT INTO fastapi.sign_in (id, account_id) SELECT %(sign_in)s, id FROM account
"""


class FastApi(Contender):
    """Page numbers with a total; lock and count."""

    name = "fastapi"
    application = "benchmarks.fastapi_app:counting"
    interface = "asgi"
    refused = "409"
    register_path = "/events/{event_id}/register/"
    list_path = "/events/"
    tables = ("fastapi.event", "fastapi.registration")

    def create_tables(self) -> None:
        self._run(_SCHEMA)

    def create_events(self, number: int) -> None:
        self._run(spread_events("fastapi.event", "capacity"), number=number)

    def create_event(self, seats: int) -> int:
        return self._run(
            """
            INSERT INTO fastapi.event (
                name, description, location, start_time, end_time, capacity
            )
            VALUES ('Fair', '', 'Hall 1', now() + '30 days', now() + '31 days', %(seats)s)
            RETURNING id
            """,
            seats=seats,
        )

    def add_registrations(self, event_id: int, number: int) -> None:
        self._run(
            """
            WITH made AS (
                INSERT INTO fastapi.registration (id, event_id, name, email, registered_at)
                SELECT gen_random_uuid(), %(event_id)s, 'Guest', 'early' || n || '@example.org',
                    now()
                FROM generate_series(1, %(number)s) n
            )
            UPDATE fastapi.event SET taken = taken + %(number)s WHERE id = %(event_id)s
            """,
            event_id=event_id,
            number=number,
        )

    def remove_registrations(self) -> None:
        self._run("TRUNCATE fastapi.registration")

    def seats_taken(self, event_id: int) -> int:
        return self._run(
            "SELECT count(*) FROM fastapi.registration WHERE event_id = %(event_id)s",
            event_id=event_id,
        )

    def deep_path(self, port: int, rows: int) -> str:
        return f"{self.list_path}?page={rows // 20 + 1}"


class FastApiLean(FastApi):
    """Keyset pages without a total; a conditional UPDATE. On the same tables."""

    name = "fastapi-lean"
    application = "benchmarks.fastapi_app:lean"
    signed_in_list_path = "/signed-in/events/"
    signed_in_paths = {
        "signed-in-list": "/signed-in/events/",
        "signed-in-event": "/signed-in/events/{event_id}/",
        "own-events": "/me/events/",
        "me": "/me/",
        "edit": "/signed-in/events/{event_id}/",
        "register": "/signed-in/events/{event_id}/register/",
    }
    create_body = (
        f'{{"name": "Fair {NUMBER}", "description": "Talks and demos.", "location": "Hall 1",'
        ' "start_time": "2099-03-01T09:00:00Z", "end_time": "2099-03-01T17:00:00Z",'
        ' "capacity": 100}'
    )

    def create_tables(self) -> None:
        """They are there: `FastApi` is made before."""

    def create_events(self, number: int) -> None:
        """They are there too."""

    def deep_path(self, port: int, rows: int) -> str:
        place: tuple[datetime, int] = self._row(
            "SELECT start_time AT TIME ZONE 'UTC', id FROM fastapi.event WHERE start_time > now()"
            " ORDER BY start_time, id OFFSET %(rows)s LIMIT 1",
            rows=rows,
        )
        return f"{self.list_path}?after={place[0].isoformat()}%2B00:00_{place[1]}"

    def sign_up(self, port: int) -> dict[str, str]:
        sign_in = uuid4()
        self._run(_SIGN_UP, email=f"{secrets.token_hex(8)}@example.org", sign_in=sign_in)
        token = jwt.encode({"sid": sign_in.hex}, SIGNING_KEY, "HS256")
        return {"Authorization": f"Bearer {token}"}

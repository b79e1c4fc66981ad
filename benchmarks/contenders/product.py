import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence

from ..load import NUMBER, ROOT, fetch
from .base import Contender

# Counted for every request, as in production, and never reached.
_RATE_LIMITS = (
    "register=9999999/min,anonymous=9999999/min,user=9999999/min,login=9999999/min,"
    "signup=9999999/min"
)

PASSWORD = "only-for-the-benchmark"

# As the event of the lowest id, in the columns that say who, what and how.
OPEN_EVENT = """
    INSERT INTO events_event (
        organizer_id, name, description, location, start_time, end_time, timezone, status,
        meeting_url, reminder_hours, max_capacity, registered_count, waitlist_enabled,
        waitlist_count, last_queue_number, feedback_count, edited_by_hand, version, sequence,
        cancellation_reason, created_at, updated_at, rule_number
    )
    SELECT
        (SELECT id FROM accounts_user WHERE username = %(organizer)s),
        'Fair', '', location, now() + '30 days', now() + '31 days', timezone, 'published',
        '', '{}', %(seats)s, 0, false, 0, 0, 0, false, 1, 0, '', now(), now(), 0
    FROM (SELECT * FROM events_event WHERE deleted_at IS NULL ORDER BY id LIMIT 1) AS first,
        generate_series(1, %(number)s)
    RETURNING id
"""


_QUESTIONS = 50
_TYPES = ("text", "choice", "number", "boolean", "choices")
_FORM = [
    {
        "key": f"question_{number}", "label": f"Question {number}?", "help": "",
        "type": _TYPES[number % len(_TYPES)], "required": False, "active": True,
        "ask": "registrant", "min": None, "max": None, "show_if": None, "retention_days": None,
        "options": [
            {"value": f"option {letter}", "label": letter, "limit": None}
            for letter in ("abcde" if _TYPES[number % len(_TYPES)] in {"choice", "choices"} else "")
        ],
    }
    for number in range(_QUESTIONS)
]  # fmt: skip

_ASK = """
    WITH form AS (
        INSERT INTO events_form (version, questions, created_at)
        VALUES (1, %(form)s::jsonb, now()) RETURNING id
    )
    UPDATE events_event SET form_id = form.id FROM form WHERE events_event.id = %(event_id)s
"""

# Of the types in their order.
_ANSWER = """
    UPDATE registrations_registration SET answers = (
        SELECT jsonb_object_agg('question_' || number, CASE number %% 5
            WHEN 0 THEN to_jsonb('What ' || name || ' says to question ' || number)
            WHEN 1 THEN to_jsonb('option ' || chr(97 + get_byte(uuid_send(id), 1) %% 5))
            WHEN 2 THEN to_jsonb(get_byte(uuid_send(id), 2))
            WHEN 3 THEN to_jsonb(get_byte(uuid_send(id), 3) > 99)
            ELSE jsonb_build_array('option a', 'option c')
        END)
        FROM generate_series(0, %(questions)s - 1) AS number
    )
    WHERE event_id = %(event_id)s
"""
_COUNT_ANSWERS = "from registrations.services.answer_tallies import count_answers; count_answers()"


class Product(Contender):
    name = "product"
    application = "config.wsgi:application"
    refused = "409"
    register_path = "/api/events/{event_id}/register/"
    list_path = "/api/events/"
    signed_in_list_path = "/api/events/"
    signed_in_paths = {
        "signed-in-list": "/api/events/",
        "signed-in-event": "/api/events/{event_id}/",
        "own-events": "/api/me/events/",
        "me": "/api/me/",
        "edit": "/api/events/{event_id}/",
        "register": "/api/events/{event_id}/register/",
    }
    create_body = (
        f'{{"name": "Fair {NUMBER}", "description": "Talks and demos.", "location": "Hall 1",'
        ' "start_time": "2099-03-01T09:00:00Z", "end_time": "2099-03-01T17:00:00Z",'
        ' "max_capacity": 100}'
    )
    tables = ("events_event", "registrations_registration", "accounts_notification")

    def environment(self) -> dict[str, str]:
        """Production: everything else has its default."""
        return {
            "DATABASE_URL": self.database_url,
            "SECRET_KEY": "no secret: this server lives for the benchmark only",
            "DEBUG": "off",
            "EMAIL_URL": "consolemail://",
            "CACHE_URL": "locmemcache://benchmarks",
            "RATE_LIMITS": _RATE_LIMITS,
            "ALLOWED_HOSTS": "127.0.0.1",
            "PUBLIC_URL": "http://127.0.0.1",
            "TRUSTED_PROXIES": "0",
            "WEBHOOK_NETWORKS": "127.0.0.0/8",
        }

    def create_tables(self) -> None:
        self._manage("migrate", "--verbosity", "0")
        self._manage(
            "createsuperuser", "--no-input", "--verbosity", "0", "--email", "organizer@example.org"
        )

    def create_events(self, number: int) -> None:
        self._manage("generate_load", "--events", str(number), "--registrations", "0", DEBUG="on")

    def create_event(self, seats: int) -> int:
        return self._run(OPEN_EVENT, organizer="organizer", seats=seats, number=1)

    def add_registrations(self, event_id: int, number: int, first: int = 0) -> None:
        self._run(
            """
            WITH made AS (
                INSERT INTO registrations_registration (
                    id, event_id, name, email, status, ticket_code, registered_at, confirmed_at
                )
                SELECT gen_random_uuid(), %(event_id)s, 'Guest', 'early' || n || '@example.org',
                    'confirmed', upper(lpad(to_hex(n), 16, '0')), now(), now()
                FROM generate_series(%(first)s::int + 1, %(first)s::int + %(number)s) n
                RETURNING id, event_id, registered_at
            ), noted AS (
                INSERT INTO registrations_ledgerentry (event_id, registration_id, kind, at, reason)
                SELECT event_id, id, 'registered', registered_at, 'by_guest' FROM made
            )
            UPDATE events_event SET registered_count = registered_count + %(number)s
            WHERE id = %(event_id)s
            """,
            event_id=event_id,
            number=number,
            first=first,
        )

    def answer(self, event_id: int) -> None:
        """Gives the event a form, and every registration an answer to each question."""
        self._run(_ASK, event_id=event_id, form=json.dumps(_FORM))
        self._run(_ANSWER, event_id=event_id, questions=_QUESTIONS)
        self._manage("shell", "--verbosity", "0", "--command", _COUNT_ANSWERS)

    def remove_registrations(self) -> None:
        self._run("TRUNCATE registrations_registration, accounts_notification CASCADE")

    def deep_path(self, port: int, rows: int) -> str:
        """By following the links, as every client does."""
        path = f"{self.list_path}?page_size=100"
        for _ in range(rows // 100):
            path = fetch(port, path)["next"].partition("127.0.0.1")[2].partition("/")[2]
            path = f"/{path}"
        return path.replace("page_size=100", "page_size=20")

    def attendees_path(self, event_id: int) -> str:
        return f"/api/events/{event_id}/attendees/"

    def export_path(self, event_id: int, format_: str) -> str:
        return f"/api/events/{event_id}/attendees/export/?format={format_}"

    def sign_in_request(self) -> tuple[str, str]:
        given = {"email": "organizer@example.org", "password": PASSWORD}
        return "/api/login/", json.dumps(given)

    def sign_in(self, port: int) -> dict[str, str]:
        path, body = self.sign_in_request()
        return {"Authorization": f"Bearer {fetch(port, path, json.loads(body))['access']}"}

    def sign_up(self, port: int) -> dict[str, str]:
        name = f"host-{secrets.token_hex(8)}"
        given = {"email": f"{name}@example.org", "username": name, "password": PASSWORD}
        access = fetch(port, "/api/register/", given)["access"]
        self._run(OPEN_EVENT, organizer=name, seats=1_000_000, number=30)
        return {"Authorization": f"Bearer {access}"}

    def add_webhook(self, port: int, url: str) -> None:
        """Of the organizer, for registrations."""
        fetch(port, "/api/webhooks/", {"url": url, "types": ["registration.*"]}, self.sign_in(port))

    def copy_webhook(self, urls: Sequence[str]) -> None:
        """Without regard to the limit of an account."""
        self._run(
            """
            INSERT INTO registrations_webhook (
                user_id, url, types, description, secret, enabled, starts_after, failures,
                created_at, updated_at
            )
            SELECT user_id, copied, types, '', secret, true, starts_after, 0, now(), now()
            FROM registrations_webhook, unnest(%(urls)s::text[]) AS copied
            """,
            urls=list(urls),
        )

    def remove_webhooks(self) -> None:
        self._run("TRUNCATE registrations_webhook CASCADE")

    def deliveries_made(self, port: int) -> int:
        """To the receiver on that port."""
        return self._run(
            """
            SELECT count(*) FROM registrations_webhookdelivery
            WHERE state = 'delivered' AND webhook_id = (
                SELECT id FROM registrations_webhook
                WHERE url LIKE 'http://127.0.0.1:' || %(port)s::int || '/%%'
            )
            """,
            port=port,
        )

    def seats_taken(self, event_id: int) -> int:
        return self._run(
            """
            SELECT count(*) FROM registrations_registration
            WHERE event_id = %(event_id)s AND status = 'confirmed'
            """,
            event_id=event_id,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A program of `manage.py`, which prints a line when it begins."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment()},
            stdout=subprocess.PIPE,
        )

    def _manage(self, *arguments: str, **environment: str) -> None:
        password = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment(), **password, **environment},
            check=True,
        )


class Small(Product):
    """The product where there are few events, in a database of its own."""

    name = "small"

"""Fills the database of DATABASE_URL. `python -m benchmarks.growth.filling EVENTS REGISTRATIONS`.

The first events are generated and inserted as those of clients are. The others are copies of them:
rows without triggers and checks of references, into tables without indexes, which are built
afterwards. Copies have the words and places of the generated events, at other times.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import django
from django.db import connection

GENERATED_EVENTS = 100_000
CROWD = 100_000  # the registrations of one event
SMALLEST_CAPACITY = 10
PUBLISHED = 0.95
TABLES = ("events_event", "registrations_registration", "registrations_ledgerentry")

# The numbers of registrations to come. The mean is below the smallest capacity.
_TAKE_SEATS = """
    UPDATE events_event SET registered_count = CASE
        WHEN id = %(crowded)s THEN %(crowd)s
        WHEN status = 'published' THEN least(%(smallest)s, floor(%(mean)s::float + random()))
        ELSE 0
    END
"""
# Each copy of an event is on another day, within the days of the generated events.
_COPY_EVENTS = """
    INSERT INTO events_event ({columns})
    SELECT {values}
    FROM generate_series(1, %(copies)s) AS copy, events_event, LATERAL (
        SELECT copy * 37 %% 1200 * interval '1 day' AS later
    ) AS moves, LATERAL (
        SELECT CASE
            WHEN start_time + later > now() + interval '700 days' THEN later - interval '1200 days'
            ELSE later
        END AS move
    ) AS moved
    WHERE events_event.id <> %(crowded)s
    ORDER BY copy, events_event.id
    LIMIT %(number)s
"""
_MOVED = {
    "start_time": "start_time + move",
    "end_time": "end_time + move",
    "created_at": "created_at + copy * interval '7 minutes'",
}
# In the order of time, so that those of one event are far from each other. Ids and codes ascend,
# since the indexes of their constraints are not built afterwards.
_REGISTER = """
    INSERT INTO registrations_registration (
        id, event_id, name, email, status, ticket_code, registered_at, confirmed_at
    )
    SELECT
        lpad(to_hex(serial), 32, '0')::uuid, event_id, 'Attendee ' || number,
        'attendee' || number || '@load.invalid', 'confirmed', upper(lpad(to_hex(serial), 16, '0')),
        at, at
    FROM (
        SELECT *, row_number() OVER (ORDER BY at) AS serial
        FROM (
            SELECT events_event.id AS event_id, number, now() - random() * interval '400 days' AS at
            FROM events_event, generate_series(1, registered_count) AS number
        ) AS registrations
        ORDER BY at
    ) AS ordered
"""
_ENTER = """
    INSERT INTO registrations_ledgerentry (event_id, registration_id, kind, at, reason, xid)
    SELECT event_id, id, 'registered', registered_at, 'by_guest', NULL
    FROM registrations_registration
"""


def fill(events: int, registrations: int) -> None:
    from events.services import count_words  # noqa: PLC0415  # after the setup of Django
    from registrations.benchmark_data import DataSize, generate  # noqa: PLC0415

    generated = min(events, GENERATED_EVENTS)
    crowd = min(CROWD, registrations // 10)
    seats_per_event = (registrations - crowd) / (PUBLISHED * events)
    with _without_indexes():
        crowded = generate(DataSize(generated, 0), on_events=_ignore, on_registrations=_ignore)
        _say(f"{generated:,} events generated")
        _run("SET session_replication_role = replica")  # no triggers, no checks of references
        _run(
            _TAKE_SEATS,
            crowded=crowded,
            crowd=crowd,
            mean=seats_per_event,
            smallest=SMALLEST_CAPACITY,
        )
        _copy_events(events - generated, generated, crowded)
        _say("events copied")
        _run(_REGISTER)
        _say("registrations")
        _run(_ENTER)
        _say("ledger")
        _run("RESET session_replication_role")
    _run(f"VACUUM (ANALYZE) {', '.join(TABLES)}")
    _say("vacuum")
    count_words()
    _say("words")


def _ignore(number: int) -> None:
    """No progress bar."""


def _copy_events(number: int, generated: int, crowded: int) -> None:
    if number <= 0:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'events_event'"
            " AND is_identity = 'NO' AND is_generated = 'NEVER'"
        )
        columns = [name for (name,) in cursor.fetchall()]
    values = [_MOVED.get(column, column) for column in columns]
    _run(
        _COPY_EVENTS.format(columns=", ".join(columns), values=", ".join(values)),
        copies=number // (generated - 1) + 1,
        crowded=crowded,
        number=number,
    )


@contextmanager
def _without_indexes() -> Iterator[None]:
    """The indexes of constraints stay. The others are built at the end."""
    _run("SET maintenance_work_mem = '1GB'")
    _run("SET work_mem = '1GB'")
    _run("SET max_parallel_workers_per_gather = 2")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = ANY(%s::regclass[])"
            " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
            [list(TABLES)],
        )
        definitions = dict(cursor.fetchall())
    for name in definitions:
        _run(f"DROP INDEX {name}")
    yield
    for name, definition in definitions.items():
        _run(definition)
        _say(f"index {name}")


def _run(statement: str, **parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


_started_at = perf_counter()


def _say(text: str) -> None:
    print(f"{perf_counter() - _started_at:7.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    fill(*map(int, sys.argv[1:]))

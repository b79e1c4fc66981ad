"""Generates a large, realistic and repeatable database for benchmarks."""

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from events.models import Category, Event
from events.services import count_words

from .models import new_ticket_code

ORGANIZERS = 1000

# Name, time zone, latitude and longitude.
_CITIES = (
    ("Berlin", "Europe/Berlin", 52.52, 13.41), ("München", "Europe/Berlin", 48.14, 11.58),
    ("Zürich", "Europe/Zurich", 47.38, 8.54), ("Paris", "Europe/Paris", 48.86, 2.35),
    ("Kraków", "Europe/Warsaw", 50.06, 19.94), ("İstanbul", "Europe/Istanbul", 41.01, 28.98),
    ("Málaga", "Europe/Madrid", 36.72, -4.42), ("Lisboa", "Europe/Lisbon", 38.72, -9.14),
    ("London", "Europe/London", 51.51, -0.13), ("Bengaluru", "Asia/Kolkata", 12.97, 77.59),
    ("Mumbai", "Asia/Kolkata", 19.08, 72.88), ("Kathmandu", "Asia/Kathmandu", 27.72, 85.32),
    ("東京", "Asia/Tokyo", 35.68, 139.65), ("Singapore", "Asia/Singapore", 1.35, 103.82),
    ("Tehran", "Asia/Tehran", 35.69, 51.39), ("São Paulo", "America/Sao_Paulo", -23.55, -46.63),
    ("Bogotá", "America/Bogota", 4.71, -74.07), ("New York", "America/New_York", 40.71, -74.01),
    ("Chicago", "America/Chicago", 41.88, -87.63),
    ("Vancouver", "America/Vancouver", 49.28, -123.12),
    ("Nairobi", "Africa/Nairobi", -1.29, 36.82), ("Lagos", "Africa/Lagos", 6.52, 3.38),
    ("Sydney", "Australia/Sydney", -33.87, 151.21),
    ("Auckland", "Pacific/Auckland", -36.85, 174.76),
)  # fmt: skip
_VENUES = ("City Hall", "Convention Centre", "Library", "University", "Old Brewery", "Harbour Hub")
_SUBJECTS = (
    "Python", "Django", "PostgreSQL", "Rust", "Kubernetes", "Machine Learning", "Robotics",
    "Photography", "Jazz", "Poetry", "Climate", "Cycling", "Chess", "Gardening", "Cooking",
    "Startups", "Open Data", "Accessibility", "Typography", "Astronomy", "Blockchain", "Yoga",
    "Football", "Salsa", "Podcasting", "History", "Economics", "Genetics", "Security", "Privacy",
)  # fmt: skip
_KINDS = (
    ("Conference", "conference"), ("Summit", "conference"), ("Meetup", "meetup"),
    ("Workshop", "workshop"), ("Festival", "festival"), ("Concert", "concert"),
    ("Webinar", "webinar"), ("Training", "training"), ("Exhibition", "exhibition"),
    ("Networking Night", "networking"), ("Tournament", "sports"), ("Day", "community"),
)  # fmt: skip
_SENTENCES = (
    "Talks, demos and time to meet the people behind them.",
    "Bring a laptop; we provide tables, power and coffee.",
    "For beginners and for those who have done it for years.",
    "Three tracks, forty speakers and one long evening.",
    "Tickets include lunch. The venue is accessible by wheelchair.",
    "We start on time. Doors open half an hour before.",
    "An evening among friends, with music at the end.",
    "Learn from mistakes that others have already made.",
)
_CAPACITIES = (None, 10, 20, 30, 50, 100, 250, 750, 2000)

_EVENT_COLUMNS = (
    "name", "description", "location", "start_time", "end_time", "timezone", "category_id",
    "status", "organizer_id", "reminder_hours", "max_capacity", "waitlist_enabled", "created_at",
    "updated_at", "latitude", "longitude",
)  # fmt: skip
_REGISTRATION_COLUMNS = (
    "id", "event_id", "name", "email", "status", "ticket_code", "registered_at", "confirmed_at",
)  # fmt: skip

Progress = Callable[[int], None]


@dataclass(frozen=True)
class DataSize:
    events: int
    registrations: int
    seed: int = 1


def generate(size: DataSize, *, on_events: Progress, on_registrations: Progress) -> int:
    """Adds events and registrations by COPY in one transaction; returns the busiest event's id.

    A fifth of the registrations are for one event. The others are spread over upcoming events with
    free seats. The same seed generates the same events, with dates relative to today.
    """
    rng = random.Random(size.seed)  # noqa: S311  # repeatable, not secret
    with transaction.atomic():
        organizers = _organizers()
        categories = dict(Category.objects.values_list("slug", "id"))
        rows = _event_rows(size.events, rng, organizers, categories)
        first = _copy_events(rows, size.events, on_events)
        busiest = first + size.events - 1
        _copy(
            "registrations_registration",
            _REGISTRATION_COLUMNS,
            _registration_rows(size, rng, _free_seats(first, busiest), busiest),
            on_registrations,
        )
        _count_registrations(first)
    count_words()
    with connection.cursor() as cursor:
        for table in ("events_event", "registrations_registration", "registrations_ledgerentry"):
            cursor.execute(f"VACUUM (ANALYZE) {table}")
    return busiest


def _organizers() -> list[int]:
    unusable = make_password(None)
    User.objects.bulk_create(
        (
            User(email=f"load{n}@invalid", username=f"load:{n}", password=unusable)
            for n in range(ORGANIZERS)
        ),
        ignore_conflicts=True,
    )
    return list(
        User.objects.filter(username__startswith="load:")
        .order_by("id")
        .values_list("id", flat=True)
    )


def _event_rows(
    number: int, rng: random.Random, organizers: list[int], categories: dict[str, int]
) -> Iterator[tuple[Any, ...]]:
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for serial in range(number):
        subject, (kind, slug) = rng.choice(_SUBJECTS), rng.choice(_KINDS)
        city, zone, latitude, longitude = rng.choice(_CITIES)
        has_coordinates = rng.random() < 0.7
        is_last = serial == number - 1  # the busiest one: upcoming, without limit
        days = rng.randint(-500, 700) if not is_last else 90
        start = today + timedelta(days=days, minutes=15 * rng.randint(28, 84))
        created = today - timedelta(days=rng.randint(1, 400), seconds=rng.randint(0, 86_399))
        status = "published" if is_last else rng.choices(
            ("published", "draft", "cancelled"), (95, 3, 2)
        )[0]  # fmt: skip
        yield (
            f"{city} {subject} {kind} {serial % 997}",
            " ".join(rng.sample(_SENTENCES, rng.randint(1, 3))),
            f"{rng.choice(_VENUES)}, {city}",
            start,
            start + timedelta(minutes=30 * rng.randint(1, 96)),
            zone,
            categories.get(slug) if rng.random() < 0.95 else None,
            status,
            rng.choice(organizers),
            [],  # no reminders
            None if is_last else rng.choice(_CAPACITIES),
            rng.random() < 0.3,
            created,
            created,
            latitude + rng.uniform(-0.15, 0.15) if has_coordinates else None,
            longitude + rng.uniform(-0.15, 0.15) if has_coordinates else None,
        )


def _copy_events(rows: Iterator[tuple[Any, ...]], number: int, on_events: Progress) -> int:
    """Copies the events and returns the id of the first; the ids of one COPY are consecutive."""
    with connection.cursor() as cursor:
        # The lock prevents other inserts, which would take ids in between.
        cursor.execute("LOCK TABLE events_event IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("SELECT nextval(pg_get_serial_sequence('events_event', 'id'))")
        before: int = cursor.fetchone()[0]
    defaults = _default_values()
    constants = tuple(defaults.values())
    columns = (*_EVENT_COLUMNS, *defaults)
    _copy("events_event", columns, ((*row, *constants) for row in rows), on_events)
    return before + 1


def _default_values() -> dict[str, Any]:
    """The model's defaults for required columns that the generated rows leave out."""
    return {
        field.attname: field.get_default()
        for field in Event._meta.concrete_fields
        if not (field.null or field.primary_key or field.generated)
        and field.attname not in _EVENT_COLUMNS
    }


def _free_seats(first: int, busiest: int) -> dict[int, int]:
    """The free seats of upcoming generated events, by id; unlimited events get a hundred."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, coalesce(max_capacity, 100) FROM events_event WHERE id >= %s AND id < %s"
            " AND status = 'published' AND start_time > now() ORDER BY id",
            [first, busiest],
        )
        return dict(cursor.fetchall())


def _registration_rows(
    size: DataSize, rng: random.Random, free_seats: dict[int, int], busiest: int
) -> Iterator[tuple[Any, ...]]:
    open_events = list(free_seats)
    now = datetime.now(UTC)
    for serial in range(size.registrations):
        event_id = busiest
        if serial % 5 and open_events:
            index = rng.randrange(len(open_events))
            event_id = open_events[index]
            free_seats[event_id] -= 1
            if free_seats[event_id] == 0:
                open_events[index] = open_events[-1]
                open_events.pop()
        at = now - timedelta(seconds=size.registrations - serial)
        yield (
            uuid.UUID(int=rng.getrandbits(128), version=4),
            event_id,
            f"Attendee {serial}",
            f"attendee{serial}@load.invalid",
            "confirmed",
            new_ticket_code(),
            at,
            at,
        )


def _count_registrations(first: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE events_event e SET registered_count = counted.number
            FROM (
                SELECT event_id, count(*) AS number FROM registrations_registration
                WHERE event_id >= %s GROUP BY event_id
            ) counted
            WHERE counted.event_id = e.id
            """,
            [first],
        )
        cursor.execute(
            """
            INSERT INTO registrations_ledgerentry (event_id, registration_id, kind, at, reason)
            SELECT event_id, id, 'registered', registered_at, 'by_guest'
            FROM registrations_registration WHERE event_id >= %s ORDER BY registered_at
            """,
            [first],
        )


def _copy(
    table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]], on_progress: Progress
) -> None:
    command = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        for number, row in enumerate(rows, start=1):
            copy.write_row(row)
            if number % 1000 == 0:
                on_progress(number)

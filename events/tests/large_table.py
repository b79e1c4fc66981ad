"""Large tables of events, which a module of tests builds once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from conftest import NOW

# Two years of events, a third of them past. Some words are common, some rare, some never occur
# together.
_FILL = """
    INSERT INTO events_event (
        name, description, location, start_time, end_time, timezone, category_id, status,
        organizer_id, meeting_url, reminder_hours, max_capacity, registered_count,
        waitlist_enabled, waitlist_count, last_queue_number, feedback_count, version, sequence,
        edited_by_hand, cancellation_reason, created_at, updated_at, latitude, longitude,
        attendance_mode, rule_number
    )
    SELECT
        (ARRAY['jazz', 'rock', 'polka', 'swing'])[1 + n %% 4] || ' night ' || n,
        CASE WHEN n %% 2 = 0 THEN 'bring a friend' ELSE '' END,
        (ARRAY['Rom', 'Oslo', 'Lima'])[1 + n %% 3]
            || CASE n %% 500 WHEN 7 THEN ' Castle' WHEN 9 THEN ' 東京Python勉強会' ELSE '' END,
        at, at + interval '2 hours', 'UTC',
        CASE n %% 400 WHEN 3 THEN %(rare)s ELSE %(common)s END,
        CASE n %% 100 WHEN 1 THEN 'draft' WHEN 2 THEN 'cancelled' ELSE 'published' END,
        CASE WHEN n %% 200 = 1 THEN %(other)s ELSE %(organizer)s END,
        '', '{24,1}', 10, CASE n %% 300 WHEN 5 THEN 10 ELSE 0 END, false, 0, 0, 0, 1, 0, false, '',
        at - interval '100 days', at, 40 + n %% 1000 / 100.0, 10 + n %% 700 / 100.0,
        CASE n %% 200 WHEN 7 THEN 'hybrid' WHEN 9 THEN 'online' ELSE 'in_person' END, 0
    FROM (
        SELECT n, %(now)s::timestamptz + (n - %(number)s / 3) * interval '50 minutes' AS at
        FROM (SELECT (i * 7919) %% %(number)s AS n FROM generate_series(1, %(number)s) i) shuffled
    ) planned
"""


def fill_events(facts: dict[str, Any]) -> None:
    """Inserts events. `facts` are the parameters of the statement, except for `now`."""
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {**facts, "now": NOW})


@contextmanager
def rolled_back(blocker: Any) -> Iterator[None]:
    """A transaction around all tests of a module, rolled back after them.

    Each test is a savepoint within it. `blocker` is pytest-django's `django_db_blocker`.
    """
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)

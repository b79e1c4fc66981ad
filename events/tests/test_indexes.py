"""Writes to the indexes of events and of words."""

import pytest
from django.db import connection

from events.models import Category, Event
from events.tests.factories import EventFactory
from events.tests.large_table import fill_events
from registrations.tests.factories import registered


@pytest.mark.django_db
@pytest.mark.usefixtures("clock")
def test_registering_writes_to_no_index_of_events_until_the_last_seat(olga):
    event = EventFactory(organizer=olga, max_capacity=3)

    def updates() -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables"
                " WHERE relname = 'events_event'"
            )
            return cursor.fetchone()

    before = updates()

    registered(event)
    registered(event)
    between = updates()
    registered(event)
    after = updates()

    assert (between[0] - before[0], between[1] - before[1]) == (2, 2)
    assert (after[0] - between[0], after[1] - between[1]) == (1, 0)
    assert Event.objects.get(pk=event.pk).is_available is False


@pytest.mark.django_db(transaction=True)
def test_words_use_the_index_after_the_table_was_analyzed_empty(olga):
    """Plans are cached for a session. The plan of an empty table would read all words per event."""
    category = Category.objects.get(slug="conference").pk
    ids = {"common": category, "rare": category, "organizer": olga.pk, "other": olga.pk}
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE events_searchword")
    before = _words_read_in_sequence()

    fill_events({**ids, "number": 500})

    assert _words_read_in_sequence() == before


def _words_read_in_sequence() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'events_searchword'"
        )
        return cursor.fetchone()[0]

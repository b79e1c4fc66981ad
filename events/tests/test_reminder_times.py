"""The time of the next reminder, which the database maintains for every write."""

from datetime import timedelta

import pytest

from conftest import NOW
from events.models import Event
from events.services import create_event, edit_event
from events.tests.factories import EventFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def next_of(event: Event) -> object:
    return Event.objects.values_list("next_reminder_at", flat=True).get(pk=event.pk)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_the_next_reminder_is_the_first_future_one(olga):
    def made(**fields) -> Event:
        return create_event(
            olga, name="Talk", location="Here", timezone="UTC", end_time=None, **fields
        )

    far = made(start_time=NOW + hours(48))
    near = made(start_time=NOW + hours(24))
    nearer = made(start_time=NOW + hours(1))
    unannounced = made(start_time=NOW + hours(48), reminder_hours=[])

    assert next_of(far) == NOW + hours(24)
    assert next_of(near) == NOW + hours(23)
    assert next_of(nearer) is None
    assert next_of(unannounced) is None


def test_the_next_reminder_follows_the_start_and_the_hours(clock):
    event = EventFactory(start_time=NOW + hours(48), end_time=NOW + hours(90))

    edit_event(event, {"start_time": NOW + hours(72)})
    assert next_of(event) == NOW + hours(48)
    edit_event(event, {"reminder_hours": [60]})
    assert next_of(event) == NOW + hours(12)
    clock.move_to(NOW + hours(13))
    edit_event(event, {"name": "Another"})
    assert next_of(event) == NOW + hours(12)  # is due, and stays so
    edit_event(event, {"start_time": NOW + hours(73)})
    assert next_of(event) is None  # due at the moment of the edit, which is told instead


def test_the_next_reminder_is_set_for_rows_written_by_sql(olga):
    Event.objects.bulk_create(
        [
            Event(
                name="Bulk",
                location="Here",
                organizer=olga,
                start_time=NOW + hours(30),
                end_time=NOW + hours(31),
            )
        ]
    )
    Event.objects.update(start_time=NOW + hours(26))

    assert next_of(Event.objects.get()) == NOW + hours(2)

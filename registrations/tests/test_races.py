"""Many clients at once, each on a connection of its own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.db.models import Count, Q
from rest_framework.test import APIClient

from accounts.tests.factories import UserFactory
from events.models import Event
from events.services import edit_event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.services import cancel_registration
from registrations.tests.factories import registered

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run all calls at the same moment in threads; returns their results in order."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        connection.ensure_connection()
        barrier.wait(30)
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def posted(event: Event, number: int) -> Callable[[], int]:
    body = {"name": f"N{number}", "email": f"n{number}@example.com"}
    return lambda: APIClient().post(f"/api/events/{event.pk}/register/", body).status_code


def assert_sound(event: Event) -> None:
    """Counters equal rows, nobody is over, no seat is free while somebody waits."""
    event.refresh_from_db()
    rows = Registration.objects.filter(event=event).aggregate(
        confirmed=Count("pk", filter=Q(status="confirmed")),
        waiting=Count("pk", filter=Q(status="waitlisted")),
    )
    assert rows == {"confirmed": event.registered_count, "waiting": event.waitlist_count}
    if event.max_capacity is not None:
        assert event.registered_count <= event.max_capacity
        if event.waitlist_count:
            assert event.registered_count == event.max_capacity


@pytest.mark.parametrize("_round", range(3))
def test_64_clients_on_20_seats(_round):
    event = EventFactory(max_capacity=20)

    codes = at_once(*(posted(event, number) for number in range(64)))

    assert Counter(codes) == {201: 20, 409: 44}
    assert_sound(event)


def test_64_clients_on_20_seats_with_a_queue():
    event = EventFactory(max_capacity=20, waitlist_enabled=True)

    codes = at_once(*(posted(event, number) for number in range(64)))

    assert Counter(codes) == {201: 64}
    assert_sound(event)
    queue = Registration.objects.filter(event=event).waiting()
    assert list(queue.values_list("queue_number", flat=True)) == list(range(1, 45))


def test_one_address_from_many_clients():
    event = EventFactory()

    codes = at_once(*(posted(event, 1) for _ in range(16)))

    assert Counter(codes) == {201: 1, 409: 15}
    assert_sound(event)


@pytest.mark.parametrize("_round", range(3))
def test_double_cancel_promotes_one(_round):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    seat = registered(event)
    registered(event)
    registered(event)

    at_once(*(lambda: cancel_registration(seat) for _ in range(8)))

    assert_sound(event)
    event.refresh_from_db()
    assert (event.registered_count, event.waitlist_count) == (1, 1)


@pytest.mark.parametrize("_round", range(3))
def test_a_newcomer_never_overtakes_the_queue(_round):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    seat = registered(event)
    first = registered(event, name="first in the queue")

    at_once(lambda: cancel_registration(seat), *(posted(event, number) for number in range(8)))

    first.refresh_from_db()
    assert first.status == "confirmed"
    assert_sound(event)


@pytest.mark.parametrize("_round", range(3))
def test_everything_at_once_stays_sound(_round):
    event = EventFactory(max_capacity=5, waitlist_enabled=True)
    there = [registered(event) for _ in range(8)]
    client = APIClient()
    client.force_authenticate(UserFactory(is_staff=True))
    path = f"/api/events/{event.pk}/"

    def patched(**body: object) -> Callable[[], int]:
        return lambda: client.patch(path, body).status_code

    codes = at_once(
        *(posted(event, number) for number in range(12)),
        *(lambda row=row: cancel_registration(row) for row in there[:4]),
        patched(max_capacity=9),
        patched(max_capacity=6),
        patched(max_capacity=None),
        patched(max_capacity=7),
        patched(name="Renamed"),
    )

    assert {code for code in codes if code is not None} <= {200, 201, 409}
    event.refresh_from_db()
    edit_event(event, {"max_capacity": max(event.registered_count, 1)})
    assert_sound(event)
    promoted = Registration.objects.filter(
        event=event, status="confirmed", queue_number__isnull=False
    )
    still_waiting = Registration.objects.filter(event=event).waiting().first()
    if still_waiting:
        assert not promoted.filter(queue_number__gt=still_waiting.queue_number).exists()

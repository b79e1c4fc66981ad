"""The rules of seats: their SQL and their Python have the same results."""

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from accounts.models import User
from config.errors import DomainError
from conftest import NOW
from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.services.answering import NO_ANSWERS
from registrations.services.checks import check_may_register
from registrations.services.eligibility import (
    FITS,
    GIVES_SEATS,
    HAS_FREE_SEAT,
    IS_OPEN,
    MAY_REGISTER,
    may_promote,
    may_promote_sql,
    placement,
)
from registrations.services.requests import RegistrationRequest
from registrations.tests.factories import registered_silently

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

EVENTS = 200
ADDRESS = "bob@example.com"


@pytest.fixture
def events(olga: User) -> list[Event]:
    """Events in random states, many of them at the very limit of a rule."""
    rng = random.Random(20270115)

    def moment() -> object:
        return NOW + timedelta(minutes=rng.choice((-60, -1, 0, 1, 60)))

    def event() -> Event:
        capacity = rng.choice((None, 1, 2))
        taken = rng.randint(0, capacity or 2)
        start = rng.choice((moment(), NOW + timedelta(days=1)))
        return EventFactory.build(
            organizer=olga,
            status=rng.choice(("published", "published", "published", "draft", "cancelled")),
            deleted_at=rng.choice((None, None, None, NOW)),
            start_time=start,
            registration_opens_at=rng.choice((None, moment())),
            registration_closes_at=rng.choice((None, moment())),
            max_capacity=capacity,
            registered_count=taken,
            waitlist_enabled=rng.choice((True, False)),
            waitlist_count=rng.choice((0, 0, 1)),
            max_party_size=rng.choice((1, 2, 3)),
        )

    return Event.objects.bulk_create(event() for _ in range(EVENTS))


def results(condition: str, **parameters: object) -> dict[int, bool]:
    """The value of an SQL condition for each event."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT event.id, {condition} FROM events_event AS event",
            {"now": NOW, **parameters},
        )
        return dict(cursor.fetchall())


def is_allowed(check, *args: object, **kwargs: object) -> bool:
    """Whether a check raises no error."""
    try:
        check(*args, **kwargs)
    except DomainError:
        return False
    return True


RULES: dict[str, Callable[[Event], bool]] = {
    FITS.replace("%(party_size)s", "2"): lambda event: event.seats_party(2),
    HAS_FREE_SEAT: lambda event: event.has_free_seat,
    f"{HAS_FREE_SEAT} OR event.waitlist_enabled": lambda event: placement(event) is not None,
    GIVES_SEATS: lambda event: event.gives_seats(NOW),
    may_promote_sql(): lambda event: may_promote(event, NOW),
}


def test_sql_of_each_rule_agrees_with_its_function(events):
    for condition, rule in RULES.items():
        expected = {event.pk: rule(event) for event in events}

        assert results(condition) == expected
        assert set(expected.values()) == {True, False}


@pytest.mark.parametrize("party_size", [1, 2, 3])
@pytest.mark.parametrize("is_registered", [True, False])
def test_sql_of_may_register_agrees_with_its_check(events, is_registered, party_size):
    expected = {
        event.pk: not (event.waitlist_count and event.seats_party(party_size))
        and is_allowed(
            check_may_register,
            event,
            request(event, party_size),
            NOW,
            is_registered=is_registered,
            answered=NO_ANSWERS,
        )
        for event in events
    }
    if is_registered:
        add_registrations(events)

    sql = {event.pk: may_register(event, party_size)[event.pk] for event in events}

    assert sql == expected
    assert any(expected.values()) is not is_registered


def request(event: Event, party_size: int = 1) -> RegistrationRequest:
    return RegistrationRequest(event.pk, "N", ADDRESS, party_size=party_size)


def may_register(event: Event, party_size: int = 1) -> dict[int, bool]:
    return results(
        MAY_REGISTER,
        event_id=event.pk,
        email=ADDRESS,
        party_size=party_size,
        gets_seat=None,
        skips_mode=False,
    )


def add_registrations(events: list[Event]) -> None:
    Registration.objects.bulk_create(
        Registration(event=event, email=ADDRESS, status="confirmed", confirmed_at=NOW)
        for event in events
    )


def test_open_events_are_those_that_accept_a_registration(events):
    for event in events:
        event.max_capacity = None
        event.waitlist_count = 0

    expected = {
        event.pk: is_allowed(
            check_may_register, event, request(event), NOW, is_registered=False, answered=NO_ANSWERS
        )
        for event in events
    }

    assert results(IS_OPEN) == expected


def test_cancelled_registration_does_not_count_as_registered(event):
    registration = registered_silently(event, email=ADDRESS)
    Registration.objects.filter(pk=registration.pk).update(status="cancelled", cancelled_at=NOW)

    assert may_register(event) == {event.pk: True}

"""Copies of events."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.tests.factories import grant
from conftest import NOW
from events.models import Category, Event
from events.services import cancel_event
from events.tests.factories import EventFactory, SeriesFactory
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


@pytest.fixture
def duplicated(clock, olga, signed_in):
    client = signed_in(olga)

    def duplicate(event: Event, **body: object):
        return client.post(f"/api/events/{event.pk}/duplicate/", body)

    return duplicate


def test_a_copy_is_a_draft_with_the_settings_and_without_the_people(duplicated, olga):
    event = EventFactory(
        organizer=olga,
        name="Summit",
        description="All about it",
        location="Hall 2",
        latitude=52.5,
        longitude=13.4,
        timezone="Europe/Berlin",
        category=Category.objects.get(slug="conference"),
        max_capacity=3,
        waitlist_enabled=True,
        meeting_url="https://meet.example.com/x",
        attendance_mode="hybrid",
        reminder_hours=[48],
    )
    registered(event)

    response = duplicated(event, start_time="2028-05-01T09:00:00Z")

    body = response.json()
    assert response.status_code == 201
    assert response.headers["Location"].endswith(f"/api/events/{body['id']}/")
    original = Event.objects.get(pk=event.pk)
    copy = Event.objects.get(pk=body["id"])
    same = (
        "name", "description", "location", "latitude", "longitude", "timezone", "category_id",
        "max_capacity", "waitlist_enabled", "meeting_url", "reminder_hours", "attendance_mode",
        "organizer_id",
    )  # fmt: skip
    assert [getattr(copy, name) for name in same] == [getattr(original, name) for name in same]
    assert (copy.status, copy.registered_count, copy.series_id) == ("draft", 0, None)
    assert (body["status"], body["registered_count"], body["feedback_count"]) == ("draft", 0, 0)


def test_windows_move_with_the_start_on_the_clock(duplicated, olga):
    event = EventFactory(
        organizer=olga,
        timezone="Europe/Berlin",
        start_time=datetime(2027, 3, 20, 18, tzinfo=UTC),  # 19:00, winter time
        end_time=datetime(2027, 3, 20, 21, tzinfo=UTC),
        registration_opens_at=datetime(2027, 2, 20, 8, tzinfo=UTC),
        registration_closes_at=datetime(2027, 3, 20, 17, tzinfo=UTC),
        cancellation_closes_at=datetime(2027, 3, 18, 11, tzinfo=UTC),
    )

    body = duplicated(event, date="2027-04-10", time="19:00").json()  # summer time

    assert {name: body[name] for name in body if name.endswith(("_time", "s_at"))} == {
        "start_time": "2027-04-10T17:00:00Z",
        "end_time": "2027-04-10T20:00:00Z",
        "registration_opens_at": "2027-03-13T08:00:00Z",  # 09:00 in winter time
        "registration_closes_at": "2027-04-10T16:00:00Z",
        "cancellation_closes_at": "2027-04-08T10:00:00Z",
    }


def test_a_copy_may_have_another_name(duplicated, event):
    at = {"start_time": "2028-05-01T09:00:00Z"}

    assert duplicated(event, **at, name="  Second  ").json()["name"] == "Second"
    assert duplicated(event, **at, title="Third").json()["name"] == "Third"
    assert duplicated(event, **at).json()["name"] == event.name


def test_a_default_end_stays_the_default(duplicated, olga, signed_in):
    event = signed_in(olga).post(
        "/api/events/", {"name": "A", "location": "B", "start_time": "2027-05-01T09:00:00Z"}
    )
    row = Event.objects.get(pk=event.json()["id"])

    copy = Event.objects.get(pk=duplicated(row, start_time="2028-05-01T09:00:00Z").json()["id"])

    assert (copy.ends_by_default, copy.end_time - copy.start_time) == (True, timedelta(hours=1))


def test_cancelled_and_past_events_and_occurrences_can_be_duplicated(duplicated, olga):
    cancelled, past = EventFactory(organizer=olga), EventFactory(organizer=olga)
    cancel_event(cancelled, reason="Rain")
    Event.objects.filter(pk=past.pk).update(
        start_time=NOW - timedelta(days=2), end_time=NOW - timedelta(days=1)
    )
    occurrence = EventFactory(organizer=olga, series=SeriesFactory(organizer=olga))

    for event in (cancelled, past, occurrence):
        response = duplicated(event, start_time="2028-05-01T09:00:00Z")
        assert response.status_code == 201
        copy = Event.objects.get(pk=response.json()["id"])
        assert (copy.status, copy.series, copy.cancellation_reason) == ("draft", None, "")


def test_a_copy_by_staff_is_theirs(event, sam, signed_in):
    staff = signed_in(grant(sam, "events.change_event"))

    body = staff.post(f"/api/events/{event.pk}/duplicate/", {"start_time": "2028-05-01T09:00Z"})

    assert body.json()["organizer"] == {"id": sam.pk, "username": "sam"}


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "start_time", "required"),
        ({"start_time": "2027-01-15T12:00:00Z"}, "start_time", "in_the_past"),
        ({"start_time": "2027-03-28T02:30:00"}, "start_time", "nonexistent_time"),
        ({"date": "2027-03-28", "time": "02:30"}, "time", "nonexistent_time"),
        ({"date": "2027-03-28"}, "time", "required"),
        ({"start_time": "2028-03-28T02:30Z", "date": "2027-03-28"}, "date", "conflicting_fields"),
        ({"start_time": "2028-03-28T02:30Z", "name": " "}, "name", "blank"),
        ({"start_time": "2028-03-28T02:30Z", "capacity": 2}, "capacity", "unknown_field"),
        ({"start_time": "9000-03-28T02:30Z"}, "start_time", "max_value"),
    ],
)
def test_errors_are_those_of_their_fields(duplicated, olga, body, field, code):
    event = EventFactory(organizer=olga, timezone="Europe/Berlin")
    if code == "max_value":
        Event.objects.filter(pk=event.pk).update(end_time=datetime(8999, 1, 1, tzinfo=UTC))

    response = duplicated(event, **body)

    assert response.status_code == 400
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [(field, code)]

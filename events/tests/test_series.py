"""Series over HTTP: creating, reading, editing, filling and ending."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Notification
from accounts.tests.factories import grant
from conftest import NOW, PASSWORD
from events.models import Event, Series, TeamMember
from events.services import cancel_event, fill_series
from events.tests.factories import EventFactory, with_role
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

MONDAY = "2027-03-01"
YOGA = {
    "name": "Yoga",
    "location": "Park",
    "start_time": f"{MONDAY}T18:00",
    "end_time": f"{MONDAY}T19:30",
    "timezone": "Europe/Berlin",
    "max_capacity": 10,
    "recurrence": "FREQ=WEEKLY;BYDAY=MO;COUNT=6",
}


def errors_of(response) -> dict[str, str]:
    assert response.status_code == 400, response.content
    return {error["field"]: error["code"] for error in response.json()["errors"]}


def make(client, **changes):
    return client.post("/api/series/", {**YOGA, **changes})


def new_series(client, **changes) -> dict:
    response = make(client, **changes)
    assert response.status_code == 201, response.content
    return response.json()


def events_of(series: dict) -> list[Event]:
    """The events that are not deleted, by their start."""
    return list(Event.objects.existing().filter(series_id=series["id"]).order_by("start_time"))


def edit(client, series: dict, **changes):
    return client.patch(f"/api/series/{series['id']}/", changes)


def starts(events: list[Event], zone: str = "UTC") -> list[str]:
    return [f"{event.start_time:%Y-%m-%dT%H:%M}" for event in events]


# --- creating ---


def test_a_series_is_created_with_its_events(clock, anyone, olga, signed_in):
    response = make(signed_in(olga))

    series = response.json()
    assert response.status_code == 201
    assert response["Location"] == f"http://testserver/api/series/{series['id']}/"
    assert series == {
        "id": series["id"],
        "name": "Yoga",
        "description": "",
        "location": "Park",
        "latitude": None,
        "longitude": None,
        "start_time": "2027-03-01T17:00:00Z",
        "end_time": "2027-03-01T18:30:00Z",
        "timezone": "Europe/Berlin",
        "category": None,
        "status": "published",
        "organizer": {"id": olga.pk, "username": "olga"},
        "max_capacity": 10,
        "waitlist_enabled": False,
        "max_party_size": 1,
        "waitlist_policy": "strict",
        "visibility": "public",
        "attendee_list": "hidden",
        "registration_mode": "open",
        "registration_opens_at": None,
        "registration_closes_at": None,
        "cancellation_closes_at": None,
        "attendance_mode": "in_person",
        "recurrence": "FREQ=WEEKLY;BYDAY=MO;COUNT=6",
        "exdates": [],
        "occurrence_count": 6,
        "events_url": f"http://localhost:8000/api/events/?series={series['id']}&when=all",
        "created_at": "2027-01-15T12:00:00Z",
        "updated_at": "2027-01-15T12:00:00Z",
        "my_role": "owner",
        "my_rights": ["edit", "people", "checkin", "team", "delete"],
        "meeting_url": None,
        "reminder_hours": [24, 1],
    }
    listed = anyone.get(series["events_url"].removeprefix("http://localhost:8000")).json()
    assert [event["start_time"] for event in listed["results"]] == [
        "2027-03-01T17:00:00Z",
        "2027-03-08T17:00:00Z",
        "2027-03-15T17:00:00Z",
        "2027-03-22T17:00:00Z",
        "2027-03-29T16:00:00Z",  # summer time: 18:00 stays 18:00
        "2027-04-05T16:00:00Z",
    ]
    assert {event["series"] for event in listed["results"]} == {series["id"]}
    assert {event["available_seats"] for event in listed["results"]} == {10}
    assert anyone.get(f"/api/series/{series['id']}").json() == {
        name: value
        for name, value in series.items()
        if name not in {"my_role", "my_rights", "meeting_url", "reminder_hours"}
    }


def test_a_dry_run_returns_the_occurrences(clock, olga, signed_in):
    response = signed_in(olga).post(
        "/api/series/?dry_run=true&timezone=Europe/Berlin",
        YOGA | {"recurrence": "RRULE:FREQ=WEEKLY;COUNT=3\nEXDATE:20270308T170000Z"},
    )

    assert response.status_code == 200
    assert response.json() == {
        "occurrence_count": 2,
        "occurrences": [
            {"start_time": "2027-03-01T18:00:00+01:00", "end_time": "2027-03-01T19:30:00+01:00"},
            {"start_time": "2027-03-15T18:00:00+01:00", "end_time": "2027-03-15T19:30:00+01:00"},
        ],
    }
    assert not Series.objects.exists()
    assert not Event.objects.exists()


def test_a_dry_run_does_not_share_its_idempotency_key(clock, olga, signed_in):
    client = signed_in(olga)
    key = {"Idempotency-Key": "yoga"}

    rehearsed = client.post("/api/series/?dry_run=true", YOGA, headers=key)
    real = client.post("/api/series/", YOGA, headers=key)

    assert (rehearsed.status_code, real.status_code) == (200, 422)
    assert real.json()["code"] == "idempotency_key_reused"


def test_registration_times_are_relative_to_each_event(clock, olga, signed_in):
    series = new_series(
        signed_in(olga),
        registration_opens_at="2027-02-22T09:00",
        cancellation_closes_at="2027-02-28T09:00",
        registration_closes_at="2027-03-01T17:00",
        recurrence="FREQ=WEEKLY;COUNT=5",
    )

    last = events_of(series)[-1]
    assert last.registration_opens_at == datetime(2027, 3, 22, 8, tzinfo=UTC)
    assert last.registration_closes_at == datetime(2027, 3, 29, 15, tzinfo=UTC)
    assert last.cancellation_closes_at == datetime(2027, 3, 28, 7, tzinfo=UTC)


def test_cancellation_of_a_series_closes_before_each_event(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, recurrence="FREQ=WEEKLY;COUNT=5")
    path = f"/api/series/{series['id']}/"

    late = client.patch(path, {"cancellation_closes_at": "2027-03-01T23:00:00"})
    rendered = client.patch(path, {"cancellation_closes_at": "2027-02-28T18:00:00"}).json()
    last = events_of(series)[-1]
    none = client.patch(path, {"cancellation_closes_at": None}).json()

    assert late.json()["errors"][0]["code"] == "after_start"
    assert rendered["cancellation_closes_at"] == "2027-02-28T17:00:00Z"
    assert last.cancellation_closes_at == datetime(2027, 3, 28, 16, tzinfo=UTC)
    assert none["cancellation_closes_at"] is None
    assert events_of(series)[-1].cancellation_closes_at is None


def test_excluded_occurrences_are_not_created(clock, olga, signed_in):
    series = new_series(
        signed_in(olga), exdates=["2027-03-08", "2027-03-15T18:00", "20270322T170000Z"]
    )

    assert series["exdates"] == ["2027-03-08", "2027-03-15T18:00:00", "2027-03-22T18:00:00"]
    assert starts(events_of(series)) == ["2027-03-01T17:00", "2027-03-29T16:00", "2027-04-05T16:00"]


def test_an_endless_rule_is_filled_a_year_ahead(clock, olga, signed_in):
    series = new_series(signed_in(olga), recurrence="FREQ=DAILY")

    events = events_of(series)
    assert series["occurrence_count"] == 366
    assert events[0].start_time == datetime(2027, 3, 1, 17, tzinfo=UTC)
    assert events[-1].start_time == datetime(2028, 2, 29, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    "recurrence",
    [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;COUNT=367",
        "FREQ=MINUTELY",
        "FREQ=HOURLY",
        "FREQ=HOURLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR,SA,SU",
        "FREQ=DAILY;COUNT=2000000000",
        "FREQ=DAILY;COUNT=367",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=-1",
        "FREQ=DAILY;COUNT=" + "9" * 1900,
        "FREQ=DAILY;UNTIL=20990101",
        "FREQ=DAILY;BYHOUR=9,18",
        "FREQ=DAILY;INTERVAL=99999999999999999999",
        "FREQ=YEARLY;INTERVAL=10000;COUNT=3",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367",
        "FREQ=MONTHLY;BYSETPOS=1",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",  # from a Monday on
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",  # never in a leap year
        "FREQ=WEEKLY;UNTIL=20270228",
        "FREQ=WEEKLY;UNTIL=20270301T165959Z",
        "FREQ=WEEKLY;COUNT=3;UNTIL=20280101",
        "FREQ=WEEKLY;BYDAY=2MO",
        "FREQ=WEEKLY;BYMONTHDAY=3",
        "FREQ=MONTHLY;BYWEEKNO=3",
        "FREQ=DAILY;BYYEARDAY=3",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;FREQ=DAILY",
        "FREQ=WEEKLY;SKIP=OMIT",
        "FREQ=WEEKLY;WKST=1",
        "FREQ=WEEKLY;UNTIL=soon",
        "FREQ=WEEKLY;UNTIL=20271301",
        "FREQ=NEVER",
        "INTERVAL=2",
        "every monday",
        "RRULE:FREQ=WEEKLY\nRRULE:FREQ=DAILY",
        "RRULE:FREQ=WEEKLY\nRDATE:20270303",
        "RRULE:FREQ=WEEKLY\nEXDATE:yesterday",
        "RRULE:FREQ=WEEKLY\nEXDATE:00010101T000000+2359",
        "EXDATE:20270308",
        "FREQ=WEEKLY;COUNT=1\nEXDATE:20270301",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=YEARLY;INTERVAL=50;UNTIL=99991231",  # the last is not within 100 years
        "FREQ=YEARLY;COUNT=102",
        "FREQ=WEEKLY\nEXDATE;TZID=Europe/Nowhere:20270308T180000",
    ],
)
def test_an_invalid_or_excessive_rule_is_refused(clock, olga, signed_in, recurrence):
    response = make(signed_in(olga), recurrence=recurrence)

    assert errors_of(response) == {"recurrence": "invalid_recurrence"}
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"recurrence": ""}, {"recurrence": "blank"}),
        ({"recurrence": None}, {"recurrence": "null"}),
        ({"recurrence": 5}, {"recurrence": "invalid"}),
        ({"recurrence": "x" * 2001}, {"recurrence": "max_length"}),
        ({"exdates": "2027-03-08"}, {"exdates": "invalid"}),
        ({"exdates": ["soon"]}, {"exdates.0": "invalid"}),
        ({"exdates": ["2027-03-08"] * 367}, {"exdates": "max_length"}),
        ({"start_time": "2027-01-15T11:00:00Z"}, {"start_time": "in_the_past"}),
        ({"start_time": "2027-03-28T02:30"}, {"start_time": "nonexistent_time"}),
        ({"name": "", "recurrence": "x"}, {"name": "blank", "recurrence": "invalid_recurrence"}),
    ],
)
def test_an_invalid_series_names_the_field(clock, olga, signed_in, changes, expected):
    assert errors_of(make(signed_in(olga), **changes)) == expected


def test_a_series_requires_a_rule(clock, olga, signed_in):
    body = {name: value for name, value in YOGA.items() if name != "recurrence"}

    assert errors_of(signed_in(olga).post("/api/series/", body)) == {"recurrence": "required"}


def test_only_organizers_create_series(ana, anyone, signed_in):
    refused = make(signed_in(ana))

    assert make(anyone).status_code == 401
    assert (refused.status_code, refused.json()["code"]) == (403, "organizer_role_required")


# --- access ---


def test_a_draft_series_is_visible_to_its_organizer_and_staff(anyone, max_, olga, sam, signed_in):
    series = new_series(signed_in(olga), status="draft")
    path = f"/api/series/{series['id']}/"

    assert anyone.get(path).status_code == 404
    assert signed_in(max_).get(path).status_code == 404
    assert signed_in(max_).patch(path, {"name": "x"}).status_code == 404
    assert signed_in(sam).get(path).status_code == 404
    assert signed_in(grant(sam, "events.view_series")).get(path).status_code == 200
    assert {event.status for event in events_of(series)} == {"draft"}
    drafts = signed_in(olga).get(series["events_url"].removeprefix("http://localhost:8000"))
    assert len(drafts.json()["results"]) == 6
    assert anyone.get(f"/api/events/?series={series['id']}").json()["results"] == []


def test_a_draft_series_is_published_with_its_events(anyone, max_, olga, signed_in):
    series = new_series(signed_in(olga), status="draft")
    path = f"/api/series/{series['id']}/publish/"

    assert signed_in(max_).post(path).status_code == 404
    for _ in range(2):
        published = signed_in(olga).post(path)
        assert (published.status_code, published.json()["status"]) == (200, "published")

    assert {event.status for event in events_of(series)} == {"published"}
    assert anyone.get(f"/api/series/{series['id']}/").status_code == 200


def test_only_organizer_and_staff_write_a_series(anyone, max_, olga, sam, signed_in):
    series = new_series(signed_in(olga))
    path = f"/api/series/{series['id']}/"

    for method in ("patch", "delete"):
        assert getattr(anyone, method)(path, {}).status_code == 401
        assert getattr(signed_in(max_), method)(path, {}).status_code == 403
    assert signed_in(max_).post(f"{path}publish/").status_code == 403
    assert signed_in(sam).patch(path, {"name": "By staff"}).status_code == 403
    staff = signed_in(grant(sam, "events.change_series"))
    assert staff.patch(path, {"name": "By staff"}).json()["name"] == "By staff"


def test_an_edit_of_an_outdated_version_is_refused(olga, signed_in):
    client = signed_in(olga)
    series = new_series(client)
    path = f"/api/series/{series['id']}/"
    etag = client.get(path)["ETag"]
    registered(events_of(series)[0])

    first = client.patch(path, {"name": "A"}, headers={"If-Match": etag})
    second = client.patch(path, {"name": "B"}, headers={"If-Match": etag})
    ended = client.delete(path, headers={"If-Match": etag})

    assert (first.status_code, second.status_code, ended.status_code) == (200, 412, 412)


# --- editing: fields ---


def test_an_edit_changes_the_upcoming_events(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    clock.move_to(datetime(2027, 3, 8, 17, 30, tzinfo=UTC))  # the second has begun

    response = edit(signed_in(olga), series, name="Pilates", max_capacity=20)

    assert response.json()["name"] == "Pilates"
    assert [event.name for event in events_of(series)] == ["Yoga"] * 2 + ["Pilates"] * 4
    assert [event.max_capacity for event in events_of(series)] == [10] * 2 + [20] * 4
    assert [event.version for event in events_of(series)] == [1] * 2 + [2] * 4
    assert [event.sequence for event in events_of(series)] == [0] * 6


def test_an_edit_leaves_events_that_were_edited_by_hand(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client)
    third = events_of(series)[2]
    client.patch(f"/api/events/{third.pk}/", {"name": "With a guest"})

    edit(client, series, name="Pilates", start_time=f"{MONDAY}T19:00")

    events = events_of(series)
    assert [event.name for event in events] == ["Pilates"] * 2 + ["With a guest"] + ["Pilates"] * 3
    assert starts(events)[1:4] == ["2027-03-08T18:00", "2027-03-15T17:00", "2027-03-22T18:00"]


def test_an_edit_from_an_event_leaves_earlier_events(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client)
    fourth = events_of(series)[3]

    response = edit(client, series, from_event=fourth.pk, location="Hall")

    assert (response.json()["location"], response.json()["occurrence_count"]) == ("Hall", 6)
    assert [event.location for event in events_of(series)] == ["Park"] * 3 + ["Hall"] * 3


def test_from_event_must_be_an_upcoming_event_of_the_series(clock, event, olga, signed_in):
    series = new_series(signed_in(olga))
    first = events_of(series)[0]
    clock.move_to(first.start_time)
    client = signed_in(olga)

    assert errors_of(edit(client, series, from_event=event.pk)) == {"from_event": "invalid_choice"}
    assert errors_of(edit(client, series, from_event="x")) == {"from_event": "invalid"}
    started = edit(client, series, from_event=first.pk, name="x")
    assert (started.status_code, started.json()["code"]) == (409, "event_started")


def test_a_capacity_below_the_registered_of_one_event_is_refused(olga, signed_in):
    series = new_series(signed_in(olga))
    for _ in range(2):
        registered(events_of(series)[4])

    refused = edit(signed_in(olga), series, max_capacity=1)
    accepted = edit(signed_in(olga), series, max_capacity=2)

    assert (refused.status_code, refused.json()["code"]) == (409, "capacity_below_registered")
    assert refused.json()["minimum"] == 2
    assert accepted.status_code == 200


def test_a_higher_capacity_promotes_waitlisted_people(olga, signed_in):
    series = new_series(signed_in(olga), max_capacity=1, waitlist_enabled=True)
    event = events_of(series)[2]
    registered(event)
    waiting = registered(event)

    edit(signed_in(olga), series, max_capacity=2)

    waiting.refresh_from_db()
    assert waiting.status == "confirmed"


# --- editing: times ---


def test_a_moved_series_keeps_its_registrations(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    before = {event.pk: event.start_time for event in events_of(series)}
    registration = registered(events_of(series)[4])

    response = edit(signed_in(olga), series, start_time=f"{MONDAY}T19:15")

    events = events_of(series)
    assert response.json()["start_time"] == "2027-03-01T18:15:00Z"
    assert response.json()["end_time"] == "2027-03-01T19:45:00Z"
    assert {event.pk: event.start_time - timedelta(minutes=75) for event in events} == before
    assert [event.sequence for event in events] == [1] * 6
    registration.refresh_from_db()
    assert registration.event_id == events[4].pk
    assert starts(events)[3:5] == ["2027-03-22T18:15", "2027-03-29T17:15"]


def test_a_series_moves_to_another_weekday(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    ids = [event.pk for event in events_of(series)]
    registered(events_of(series)[0])

    response = edit(signed_in(olga), series, start_time="2027-03-02T18:00")

    assert response.json()["recurrence"] == "FREQ=WEEKLY;BYDAY=TU;COUNT=6"
    assert [event.pk for event in events_of(series)] == ids
    assert starts(events_of(series))[0] == "2027-03-02T17:00"


def test_a_move_from_an_event_keeps_the_number_of_events(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    ids = [event.pk for event in events_of(series)]

    response = edit(
        signed_in(olga), series, from_event=ids[4], start_time="2027-03-30T08:00", name="Early"
    )

    assert response.json()["recurrence"] == "FREQ=WEEKLY;BYDAY=TU;COUNT=2"
    assert response.json()["occurrence_count"] == 6
    assert [event.pk for event in events_of(series)] == ids
    assert starts(events_of(series))[3:] == [
        "2027-03-22T17:00",
        "2027-03-30T06:00",
        "2027-04-06T06:00",
    ]
    edit(signed_in(olga), series, name="All")
    assert {event.name for event in events_of(series)} == {"All"}


def test_a_new_rule_keeps_registrations_where_possible(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    events = events_of(series)
    moved, called_off = registered(events[2]), registered(events[3])

    response = edit(signed_in(olga), series, recurrence="FREQ=WEEKLY;INTERVAL=2;COUNT=4")

    assert response.json()["occurrence_count"] == 4
    after = events_of(series)
    assert starts([event for event in after if event.status == "published"]) == [
        "2027-03-01T17:00",
        "2027-03-15T17:00",
        "2027-03-29T16:00",
        "2027-04-12T16:00",
    ]
    moved.event.refresh_from_db()
    called_off.event.refresh_from_db()
    assert (moved.event.status, moved.event.start_time) == ("published", events[2].start_time)
    assert (called_off.event.status, called_off.event.cancellation_reason) == (
        "cancelled",
        "The dates of the series were changed.",
    )
    assert len(after) == 5  # those without registrations are gone


def test_an_event_keeps_its_registrations_when_the_rule_moves_it_a_day(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    registration = registered(events_of(series)[1])

    edit(signed_in(olga), series, recurrence="FREQ=WEEKLY;BYDAY=WE;COUNT=6")

    registration.event.refresh_from_db()
    assert registration.event.start_time == datetime(2027, 3, 10, 17, tzinfo=UTC)
    assert len(events_of(series)) == 6


def test_an_earlier_end_removes_the_last_events(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    booked = registered(events_of(series)[5]).event

    edit(signed_in(olga), series, recurrence="FREQ=WEEKLY;UNTIL=20270315T170000Z")

    booked.refresh_from_db()
    assert booked.status == "cancelled"
    assert [event.status for event in events_of(series)] == ["published"] * 3 + ["cancelled"]


def test_excluding_a_day_removes_its_event(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    booked = registered(events_of(series)[1]).event

    response = edit(signed_in(olga), series, exdates=["2027-03-08", "2027-03-15"])

    booked.refresh_from_db()
    assert booked.status == "cancelled"
    assert response.json()["occurrence_count"] == 4
    back = edit(signed_in(olga), series, exdates=[])
    assert back.json()["occurrence_count"] == 6


@pytest.mark.parametrize(
    "change",
    [{"exdates": ["2027-03-08"]}, {"recurrence": "FREQ=WEEKLY;UNTIL=20270301T170000Z"}],
)
def test_editor_drops_no_event_that_has_registrations(clock, olga, max_, signed_in, change):
    series = new_series(signed_in(olga))
    booked = registered(events_of(series)[1]).event
    editor = signed_in(with_role(max_, "editor", booked.series))

    refused = edit(editor, series, **change)
    left = [event.status for event in events_of(series)]
    TeamMember.objects.update(role="manager")
    allowed = edit(editor, series, **change)

    booked.refresh_from_db()
    assert refused.status_code == 403
    assert refused.json()["code"] == "role_too_low"
    assert refused.json()["required"] == ["owner", "manager"]
    assert set(left) == {"published"}
    assert (allowed.status_code, booked.status) == (200, "cancelled")


def test_editor_drops_no_event_with_a_pending_registration(clock, olga, max_, signed_in):
    series = new_series(signed_in(olga), registration_mode="approval")
    asked = events_of(series)[1]
    guest = {"name": "Gil", "email": "gil@example.com"}
    APIClient().post(f"/api/events/{asked.pk}/register/", guest)
    editor = signed_in(with_role(max_, "editor", asked.series))

    refused = edit(editor, series, exdates=["2027-03-08"])

    asked.refresh_from_db()
    assert (refused.status_code, refused.json()["code"]) == (403, "role_too_low")
    assert (asked.status, asked.pending_count) == ("published", 1)


def test_editor_drops_events_without_registrations(clock, olga, max_, signed_in):
    series = new_series(signed_in(olga))
    row = Series.objects.get(pk=series["id"])

    dropped = edit(signed_in(with_role(max_, "editor", row)), series, exdates=["2027-03-08"])

    assert dropped.json()["occurrence_count"] == series["occurrence_count"] - 1


def test_an_edit_moves_no_event_into_the_past(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    clock.move_to(datetime(2027, 3, 8, 12, tzinfo=UTC))  # the second begins in five hours

    edit(signed_in(olga), series, start_time=f"{MONDAY}T09:00")

    assert starts(events_of(series))[:3] == [
        "2027-03-01T17:00",
        "2027-03-08T17:00",
        "2027-03-15T08:00",
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;INTERVAL=10000;COUNT=1",
        "FREQ=YEARLY;INTERVAL=10000;UNTIL=99991231T235959Z",
        "FREQ=YEARLY;INTERVAL=50;UNTIL=21270301",
        "FREQ=WEEKLY;COUNT=2\nEXDATE:99991231,99991231T235959",
        "FREQ=MINUTELY;INTERVAL=30;COUNT=3",
        "FREQ=MONTHLY;BYDAY=1MO",
    ],
)
@pytest.mark.parametrize(
    "changes",
    [
        {"start_time": "2027-03-02T23:59:59"},
        {"timezone": "Pacific/Kiritimati", "keep_local_time": True},
        {"start_time": "9000-12-31T23:59:59"},
        {"recurrence": "FREQ=WEEKLY;INTERVAL=10000;COUNT=2"},
        {"end_time": "9000-12-31T23:59:59"},
    ],
)
def test_edits_at_the_ends_of_the_calendar_never_fail(clock, olga, signed_in, rule, changes):
    client = signed_in(olga)
    series = new_series(client, recurrence=rule)

    response = edit(client, series, **changes)

    assert response.status_code in {200, 400}, response.content
    fill_series()


def test_a_deleted_event_is_not_created_again(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, recurrence="FREQ=WEEKLY;BYDAY=MO")
    client.delete(f"/api/events/{events_of(series)[1].pk}/")
    client.post(f"/api/events/{events_of(series)[2].pk}/cancel/")

    edit(client, series, start_time=f"{MONDAY}T20:00")
    fill_series()

    events = events_of(series)
    assert starts(events)[:4] == [
        "2027-03-01T19:00",
        "2027-03-15T19:00",
        "2027-03-22T17:00",
        "2027-03-29T18:00",
    ]
    assert events[2].status == "cancelled"


# --- zones of a series ---


def test_a_new_zone_alone_keeps_every_instant(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    before = starts(events_of(series))

    response = edit(signed_in(olga), series, timezone="Asia/Kolkata")

    assert response.json()["start_time"] == "2027-03-01T17:00:00Z"
    assert starts(events_of(series)) == before
    assert {event.timezone for event in events_of(series)} == {"Asia/Kolkata"}


def test_a_new_zone_can_keep_the_wall_clock_time(clock, olga, signed_in):
    series = new_series(signed_in(olga))
    ids = [event.pk for event in events_of(series)]

    edit(signed_in(olga), series, timezone="Asia/Kolkata", keep_local_time=True)

    assert [event.pk for event in events_of(series)] == ids
    assert {event.start_time.strftime("%H:%M") for event in events_of(series)} == {"12:30"}
    assert {event.timezone for event in events_of(series)} == {"Asia/Kolkata"}


# --- filling ---


def test_filling_creates_due_events_once(clock, olga, signed_in):
    series = new_series(signed_in(olga), recurrence="FREQ=WEEKLY;BYDAY=MO")
    count = len(events_of(series))
    edit(signed_in(olga), series, name="Renamed")
    clock.move_to(NOW + timedelta(days=3 * 7 + 46))

    made_now = fill_series()

    events = events_of(series)
    assert made_now == 3
    assert len(events) == count + 3
    assert events[-1].name == "Renamed"
    assert {event.start_time.strftime("%A") for event in events} == {"Monday"}
    assert fill_series() == 0


def test_a_filled_event_copies_the_series(clock, olga, signed_in):
    series = new_series(
        signed_in(olga),
        recurrence="FREQ=WEEKLY;BYDAY=MO",
        category="meetup",
        description="With mats",
        waitlist_enabled=True,
        meeting_url="https://meet.example.com/yoga",
        reminder_hours=[48],
        registration_opens_at="2027-02-22T09:00",
    )
    clock.move_to(NOW + timedelta(days=60))
    fill_series()

    first, *_, last = events_of(series)
    assert last.created_at > first.created_at
    for field in Event._meta.concrete_fields:
        if field.name not in {"id", "nominal_start"} and not field.name.endswith(("_at", "_time")):
            assert getattr(last, field.attname) == getattr(first, field.attname), field.name
    length = last.start_time - first.start_time
    assert last.registration_opens_at - first.registration_opens_at == length
    assert last.end_time - first.end_time == length
    assert last.next_reminder_at == last.start_time - timedelta(hours=48)
    assert last.registration_closes_at is None


def test_late_filling_creates_no_past_events(clock, olga, signed_in):
    series = new_series(signed_in(olga), recurrence="FREQ=WEEKLY;BYDAY=MO")
    clock.move_to(NOW + timedelta(days=3 * 365))

    fill_series()

    late = [event for event in events_of(series) if event.created_at > NOW]
    assert min(event.start_time for event in late) > NOW + timedelta(days=3 * 365)


# --- ending ---


def test_a_deleted_series_cancels_events_with_registrations(clock, anyone, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client)
    events = events_of(series)
    registered(events[0])
    clock.move_to(events[0].end_time)
    booked = registered(events[3]).event
    client = signed_in(olga)

    response = client.delete(f"/api/series/{series['id']}/")

    assert (response.status_code, response.content) == (204, b"")
    assert [event.status for event in events_of(series)] == ["published", "cancelled"]
    booked.refresh_from_db()
    assert booked.status == "cancelled"
    assert client.get(f"/api/series/{series['id']}/").status_code == 404
    assert anyone.get(f"/api/events/{booked.pk}/").json()["status"] == "cancelled"
    assert fill_series() == 0


def test_a_series_ends_with_the_account(clock, anyone, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, recurrence="FREQ=WEEKLY")
    refused = client.delete("/api/me/", {"password": PASSWORD})
    for event in events_of(series):
        cancel_event(event)

    closed = client.delete("/api/me/", {"password": PASSWORD})

    assert (refused.status_code, refused.json()["code"]) == (409, "account_has_upcoming_events")
    assert closed.status_code == 204
    clock.move_to(NOW + timedelta(days=100))
    assert fill_series() == 0
    assert anyone.get(f"/api/series/{series['id']}/").status_code == 404


# --- events without a series ---


def test_a_single_event_has_no_series(anyone, olga):
    event = EventFactory(organizer=olga)

    assert anyone.get(f"/api/events/{event.pk}/").json()["series"] is None


@pytest.mark.parametrize("value", ["x", "0", "", "-1"])
def test_the_filter_series_is_an_id(anyone, value):
    assert errors_of(anyone.get(f"/api/events/?series={value}")) in (
        {"series": "invalid"},
        {"series": "min_value"},
    )


# --- number of statements ---


def queries_of(work) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def booked_series(client, count: int) -> dict:
    series = new_series(client, recurrence=f"FREQ=WEEKLY;BYDAY=MO;COUNT={count}")
    for event in events_of(series):
        registered(event)
    return series


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Pilates", "max_capacity": 20},
        {"start_time": f"{MONDAY}T19:00"},
        {"recurrence": "FREQ=WEEKLY;BYDAY=MO;UNTIL=20270301"},
        {"timezone": "Asia/Kolkata", "keep_local_time": True, "location": "Hall"},
    ],
)
def test_an_edit_takes_the_same_statements_for_more_events(clock, olga, signed_in, changes):
    client = signed_in(olga)
    few, many = booked_series(client, 3), booked_series(client, 30)

    counts = [queries_of(lambda: edit(client, series, **changes)) for series in (few, many)]  # noqa: B023

    assert counts[0] == counts[1] <= 40
    assert {event.version for event in events_of(many)} <= {1, 2}


def test_the_end_takes_the_same_statements_for_more_events(clock, olga, signed_in):
    client = signed_in(olga)
    few, many = booked_series(client, 3), booked_series(client, 30)

    counts = [
        queries_of(lambda: client.delete(f"/api/series/{series['id']}/"))  # noqa: B023
        for series in (few, many)
    ]

    assert counts[0] == counts[1] <= 40
    assert {event.status for event in events_of(many)} == {"cancelled"}


def test_everybody_is_notified_of_their_cancelled_event(clock, olga, signed_in):
    client = signed_in(olga)
    series = booked_series(client, 3)
    Notification.objects.all().delete()

    client.delete(f"/api/series/{series['id']}/")

    notifications = Notification.objects.filter(kind="event_cancelled")
    assert sorted(notifications.values_list("event_id", flat=True)) == sorted(
        event.pk for event in events_of(series)
    )


def test_filling_takes_few_statements_for_many_series(
    clock, olga, signed_in, django_assert_max_num_queries
):
    client = signed_in(olga)
    for _ in range(20):
        new_series(client, recurrence="FREQ=WEEKLY;BYDAY=MO")
    clock.move_to(NOW + timedelta(days=60))

    with django_assert_max_num_queries(10):
        assert fill_series() == 20 * 2

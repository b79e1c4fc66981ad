"""`title` and `capacity` are read as `name` and `max_capacity`."""

import pytest

from events.models import Event
from events.tests.factories import EventFactory, SeriesFactory

pytestmark = pytest.mark.django_db

TALK = {"location": "Hall", "start_time": "2027-03-15T09:00:00Z"}
RULE = {"recurrence": "FREQ=WEEKLY;COUNT=2"}


def errors_of(response) -> list[tuple[str, str]]:
    assert response.status_code == 400, response.content
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


@pytest.mark.parametrize("form", ["json", "multipart"])
@pytest.mark.parametrize(("address", "more"), [("/api/events/", {}), ("/api/series/", RULE)])
def test_aliases_make_an_event_or_a_series(clock, olga, signed_in, form, address, more):
    body = {**TALK, **more, "title": " Talk ", "capacity": 3}

    response = signed_in(olga).post(address, body, format=form)

    assert response.status_code == 201, response.content
    result = response.json()
    assert (result["name"], result["max_capacity"]) == ("Talk", 3)
    assert {"title", "capacity"} & result.keys() == set()


def test_aliases_edit_an_event(clock, olga, signed_in):
    event = EventFactory(organizer=olga)

    response = signed_in(olga).patch(f"/api/events/{event.pk}/", {"title": "Talk", "capacity": 3})

    assert response.status_code == 200
    event.refresh_from_db()
    assert (event.name, event.max_capacity) == ("Talk", 3)


def test_aliases_edit_a_series(clock, olga, signed_in):
    series = SeriesFactory(organizer=olga)

    response = signed_in(olga).patch(f"/api/series/{series.pk}/", {"title": "Talk", "capacity": 3})

    assert response.status_code == 200
    series.refresh_from_db()
    assert (series.name, series.max_capacity) == ("Talk", 3)


def test_aliases_are_read_in_each_of_many_events(clock, olga, signed_in):
    rows = [{**TALK, "title": "One"}, {**TALK, "name": "Two", "capacity": 2}]

    response = signed_in(olga).post("/api/events/bulk/", {"events": rows})

    assert response.status_code == 201, response.content
    rows = Event.objects.order_by("name").values_list("name", "max_capacity")
    assert list(rows) == [("One", None), ("Two", 2)]


def test_an_error_names_the_alias_that_was_sent(clock, olga, signed_in):
    body = {**TALK, "title": "", "capacity": 0}

    response = signed_in(olga).post("/api/events/", body)

    assert errors_of(response) == [("title", "blank"), ("capacity", "min_value")]


def test_an_error_of_many_events_names_the_alias_that_was_sent(clock, olga, signed_in):
    rows = [{**TALK, "title": "One", "capacity": 0}]

    response = signed_in(olga).post("/api/events/bulk/", {"events": rows})

    assert errors_of(response) == [("events.0.capacity", "min_value")]


def test_a_missing_name_is_reported_by_its_canonical_name(clock, olga, signed_in):
    response = signed_in(olga).post("/api/events/", TALK)

    assert errors_of(response) == [("name", "required")]


@pytest.mark.parametrize("form", ["json", "multipart"])
def test_both_names_may_have_the_same_value(clock, olga, signed_in, form):
    body = {**TALK, "name": "Talk", "title": " Talk", "max_capacity": 3, "capacity": 3}

    response = signed_in(olga).post("/api/events/", body, format=form)

    assert response.status_code == 201, response.content


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "Talk", "title": "Walk"}, [("title", "conflicting_fields")]),
        ({"name": "Talk", "title": ""}, [("title", "blank")]),
        ({"name": "", "title": "Talk"}, [("name", "blank"), ("title", "conflicting_fields")]),
        ({"name": "", "title": ""}, [("name", "blank")]),
        (
            {"name": "Talk", "max_capacity": None, "capacity": 3},
            [("capacity", "conflicting_fields")],
        ),
        ({"name": "Talk", "max_capacity": 3, "capacity": "3"}, [("capacity", "invalid")]),
    ],
)
def test_both_names_may_not_have_different_values(clock, olga, signed_in, body, expected):
    response = signed_in(olga).post("/api/events/", {**TALK, **body})

    assert errors_of(response) == expected


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("max_capcity", "max_capacity"),
        ("capacity_max", "max_capacity"),
        ("maxCapacity", "max_capacity"),
        ("Capacity", "max_capacity"),
        ("capcity", "max_capacity"),
        ("max_attendees", "max_capacity"),
        ("startTime", "start_time"),
        ("start_date", "start_time"),
        ("end-time", "end_time"),
        ("venue", "location"),
        ("titel", "name"),
        ("catgory", "category"),
    ],
)
def test_an_unknown_field_suggests_the_probable_one(clock, olga, signed_in, sent, meant):
    response = signed_in(olga).post("/api/events/", {**TALK, "name": "Talk", sent: 3})

    assert response.status_code == 400
    assert response.json()["errors"] == [
        {
            "field": sent,
            "code": "unknown_field",
            "detail": f"Did you mean {meant}?",
            "suggestion": meant,
        }
    ]


def test_an_unknown_field_is_reported_with_the_other_errors(clock, olga, signed_in):
    body = {"capacity_max": 3, "name": "", "location": "Hall"}

    response = signed_in(olga).post("/api/events/", body)

    assert sorted(errors_of(response)) == [
        ("capacity_max", "unknown_field"),
        ("name", "blank"),
        ("start_time", "required"),
    ]


def test_title_is_a_filter(anyone, olga):
    talk = EventFactory(name="Python talk", organizer=olga)
    EventFactory(name="Walk", organizer=olga)

    rows = anyone.get("/api/events/?title=python").json()["results"]

    assert [row["id"] for row in rows] == [talk.pk]

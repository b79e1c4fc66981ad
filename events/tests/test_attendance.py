"""Virtual events, and the attendance mode: in person, online or hybrid."""

import pytest

from events.models import Event, Series
from events.services import edit_series
from events.services.series import fill_series
from events.tests.factories import EventFactory, SeriesFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

LINK = "https://meet.example.com/1"
SEED = {"date": "2027-05-25", "time": "14:00", "description": "Open hour\nAsk us anything."}
HALL = {"name": "Talk", "location": "Hall 1", "start_time": "2027-05-25T14:00:00Z"}
CALL = {"name": "Call", "start_time": "2027-05-25T14:00:00Z", "meeting_url": LINK}


@pytest.fixture
def client(olga, signed_in):
    return signed_in(olga)


def create(client, body: dict) -> dict:
    response = client.post("/api/events/", body)
    assert response.status_code == 201, response.content
    return response.json()


def edit(client, event: dict, body: dict, method: str = "patch") -> dict:
    response = getattr(client, method)(f"/api/events/{event['id']}/", body)
    assert response.status_code == 200, response.content
    return response.json()


def errors_of(response) -> dict[str, str]:
    assert response.status_code == 400, response.content
    return {error["field"]: error["code"] for error in response.json()["errors"]}


def texts(event: dict) -> tuple[str, str, str]:
    return event["name"], event["location"], event["attendance_mode"]


# --- virtual events ---


def test_date_time_and_description_create_a_virtual_event(client):
    event = create(client, SEED)

    assert texts(event) == ("Open hour", "Online", "online")
    assert event["description"] == SEED["description"]
    assert event["start_time"] == "2027-05-25T12:00:00Z"  # on the clocks of Berlin
    assert event["status"] == "published"


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("\n \n  First line \nSecond", "First line"),
        ("One\ttab", "One tab"),
        ("x" * 300, "x" * 200),
        ("x" * 199 + " y", "x" * 199),
        ("x" * 200 + "\ny", "x" * 200),
        ("carriage\r\nreturn", "carriage"),
        ("\u202e turned\nplain", "plain"),
    ],
)
def test_name_of_a_virtual_event_is_the_first_line_of_the_description(client, description, name):
    event = create(client, {**SEED, "description": description})

    assert event["name"] == name


def test_virtual_event_accepts_the_other_fields(client):
    event = create(client, {**SEED, "max_capacity": 3, "meeting_url": LINK, "status": "draft"})

    assert (event["max_capacity"], event["status"]) == (3, "draft")
    assert texts(event) == ("Open hour", "Online", "online")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({**SEED, "description": " \n "}, {"name": "required", "location": "required"}),
        ({"date": "2027-05-25", "time": "14:00"}, {"name": "required", "location": "required"}),
        ({"description": "x"}, dict.fromkeys(("name", "location", "start_time"), "required")),
        ({**SEED, "name": "Talk"}, {"location": "required"}),
        ({**SEED, "location": "Hall 1"}, {"name": "required"}),
        ({**SEED, "attendance_mode": "in_person"}, {"location": "required"}),
        ({"start_time": "2027-05-25T14:00:00Z", "description": "x"},
         {"name": "required", "location": "required"}),
        ({**SEED, "description": "\u202e"}, {"name": "required"}),
        ({**SEED, "max_capacity": 0, "name": "x"},
         {"location": "required", "max_capacity": "min_value"}),
    ],
)  # fmt: skip
def test_bodies_of_another_form_name_the_missing_fields(client, body, expected):
    assert errors_of(client.post("/api/events/", body)) == expected


def test_virtual_event_is_created_from_a_form(client):
    response = client.post("/api/events/", SEED, format="multipart")

    assert texts(response.json()) == ("Open hour", "Online", "online")


def test_put_of_the_virtual_form_keeps_name_and_location_and_resets_the_rest(client):
    event = create(client, {**HALL, "max_capacity": 3, "meeting_url": LINK})

    edited = edit(client, event, SEED, "put")

    assert texts(edited) == ("Talk", "Hall 1", "in_person")
    assert (edited["max_capacity"], edited["meeting_url"]) == (None, None)
    assert edited["description"] == SEED["description"]
    assert edited["start_time"] == "2027-05-25T12:00:00Z"


def test_put_of_the_virtual_form_may_choose_the_mode_of_the_location(client):
    event = create(client, HALL)

    edited = edit(client, event, {**SEED, "attendance_mode": "in_person"}, "put")

    assert texts(edited) == ("Talk", "Hall 1", "in_person")


def test_location_is_optional_with_a_meeting_url(client):
    event = create(client, CALL)

    assert texts(event) == ("Call", "Online", "online")
    assert texts(edit(client, event, CALL, "put")) == ("Call", "Online", "online")


def test_an_empty_meeting_url_does_not_replace_a_location(client):
    assert errors_of(client.post("/api/events/", {**CALL, "meeting_url": ""})) == {
        "location": "required"
    }


def test_the_scheme_of_a_meeting_url_may_be_in_capitals(client):
    event = create(client, {**CALL, "meeting_url": "Https://Meet.Example.com/1"})

    assert event["meeting_url"] == "https://Meet.Example.com/1"


@pytest.mark.parametrize("link", ["https://ann:secret@meet.example.com/1", "meet.example.com/1"])
def test_the_error_of_a_meeting_url_shows_one(client, link):
    response = client.post("/api/events/", {**CALL, "meeting_url": link})

    (error,) = response.json()["errors"]
    assert (error["field"], error["code"]) == ("meeting_url", "invalid")
    assert "such as https://example.org/room, without user and password" in error["detail"]


def test_virtual_events_are_created_in_bulk(client):
    response = client.post("/api/events/bulk/", {"events": [SEED, CALL]})

    events = [result["event"] for result in response.json()["results"]]
    assert [texts(event) for event in events] == [
        ("Open hour", "Online", "online"),
        ("Call", "Online", "online"),
    ]


# --- attendance mode ---


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({}, "in_person"),
        ({"meeting_url": LINK}, "hybrid"),
        ({"location": "Online"}, "online"),
        ({"location": "online", "meeting_url": LINK}, "online"),
        ({"attendance_mode": "online"}, "online"),
        ({"meeting_url": LINK, "attendance_mode": "in_person"}, "in_person"),
        ({"attendance_mode": None, "meeting_url": LINK}, "hybrid"),
    ],
)
def test_mode_is_chosen_or_derived(client, changes, mode):
    assert create(client, {**HALL, **changes})["attendance_mode"] == mode


def test_unknown_mode_is_refused(client):
    response = client.post("/api/events/", {**HALL, "attendance_mode": "remote"})

    assert errors_of(response) == {"attendance_mode": "invalid_choice"}


def test_mode_in_person_with_a_link_requires_a_location(client):
    response = client.post("/api/events/", {**CALL, "attendance_mode": "in_person"})

    assert errors_of(response) == {"location": "required"}
    event = create(client, CALL)
    response = client.patch(f"/api/events/{event['id']}/", {"attendance_mode": "in_person"})
    assert errors_of(response) == {"location": "required"}


def test_mode_is_derived_again_at_each_edit(client):
    event = create(client, SEED)

    modes = [
        edit(client, event, changes)["attendance_mode"]
        for changes in (
            {"meeting_url": LINK},
            {"location": "Hall 1"},
            {"meeting_url": ""},
            {"name": "Another"},
        )
    ]

    assert modes == ["online", "hybrid", "in_person", "in_person"]


def test_chosen_mode_stays_until_null_is_sent(client):
    event = create(client, HALL)
    modes = [
        edit(client, event, changes)["attendance_mode"]
        for changes in (
            {"attendance_mode": "online"},
            {"meeting_url": LINK},
            {"attendance_mode": "online"},
            {"location": "Hall 2"},
            {"attendance_mode": None},
            {"meeting_url": None},
        )
    ]

    assert modes == ["online", "online", "online", "online", "hybrid", "in_person"]


def test_mode_chosen_on_creation_stays(client):
    event = create(client, {**HALL, "attendance_mode": "in_person"})

    assert edit(client, event, {"meeting_url": LINK})["attendance_mode"] == "in_person"


@pytest.mark.parametrize("method", ["patch", "put"])
def test_unchanged_derived_mode_stays_derived(client, method):
    event = create(client, HALL)
    sent_back = {key: event[key] for key in ("name", "location", "start_time", "attendance_mode")}

    edited = edit(client, event, {**sent_back, "meeting_url": LINK}, method)

    assert edited["attendance_mode"] == "hybrid"


def test_put_without_a_mode_derives_it(client):
    event = create(client, {**HALL, "attendance_mode": "online"})

    assert edit(client, event, HALL, "put")["attendance_mode"] == "in_person"


def test_an_edit_with_unchanged_fields_changes_nothing(client):
    event = create(client, CALL)
    sent_back = {
        key: event[key]
        for key in ("name", "location", "start_time", "end_time", "attendance_mode", "meeting_url")
    }

    edited = edit(client, event, sent_back)

    assert edited["updated_at"] == event["updated_at"]
    assert Event.objects.get().version == 1


# --- series ---


def test_series_of_virtual_events(client):
    response = client.post("/api/series/", {**SEED, "recurrence": "FREQ=WEEKLY;COUNT=2"})

    assert response.status_code == 201, response.content
    assert texts(response.json()) == ("Open hour", "Online", "online")
    assert {event.attendance_mode for event in Event.objects.all()} == {"online"}


def test_editing_a_series_derives_the_mode_of_its_events(olga):
    series = SeriesFactory(organizer=olga)

    edit_series(series, {"meeting_url": LINK})

    assert Series.objects.get().attendance_mode == "hybrid"
    assert {event.attendance_mode for event in Event.objects.all()} == {"hybrid"}


def test_chosen_mode_of_a_series_applies_to_later_events(olga, clock):
    series = SeriesFactory(organizer=olga, recurrence="FREQ=WEEKLY")
    edit_series(series, {"attendance_mode": "hybrid"})
    clock.shift(60 * 60 * 24 * 60)

    made = fill_series()

    assert made > 0
    assert {event.attendance_mode for event in Event.objects.all()} == {"hybrid"}
    assert {event.is_attendance_mode_set for event in Event.objects.all()} == {True}


# --- filter ---


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("attendance_mode=online", ["online"]),
        ("attendance_mode=online&attendance_mode=hybrid", ["online", "hybrid"]),
        ("attendance_mode=online&attendance_mode=online", ["online"]),
        (
            "attendance_mode=online&attendance_mode=hybrid&attendance_mode=in_person",
            ["in_person", "online", "hybrid"],
        ),
    ],
)
def test_filter_on_modes(anyone, query, expected):
    for mode in ("in_person", "online", "hybrid"):
        EventFactory(name=mode, attendance_mode=mode)

    response = anyone.get(f"/api/events/?{query}&ordering=created_at")

    assert [event["name"] for event in response.json()["results"]] == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("attendance_mode=remote", "invalid_choice"),
        ("attendance_mode=online&attendance_mode=remote", "invalid_choice"),
        ("attendance_mode=", "invalid_choice"),
    ],
)
def test_filter_on_an_unknown_mode_is_refused(anyone, query, code):
    assert errors_of(anyone.get(f"/api/events/?{query}")) == {"attendance_mode": code}

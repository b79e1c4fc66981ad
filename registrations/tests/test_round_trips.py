"""A body that a client has read can be sent back, which changes nothing."""

from typing import Any

import pytest

from accounts.services import confirm_email, edit_profile
from accounts.tests.factories import grant
from events.models import Event
from events.tests.factories import CategoryFactory, EventFactory, SeriesFactory
from registrations.models import Feedback, Registration
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

ZONES = ("", "?timezone=Asia/Kolkata", "?timezone=America/St_Johns")


def row_of(row: Any) -> dict[str, Any]:
    """Every column, as it is in the database now."""
    fresh = type(row)._base_manager.get(pk=row.pk)
    return {field.attname: getattr(fresh, field.attname) for field in fresh._meta.concrete_fields}


def send_back(client, method: str, address: str, **changes: Any):
    """The response to a body that is what the address shows."""
    original = client.get(address)
    assert original.status_code == 200, original.content
    body = {**original.json(), **changes}
    response = getattr(client, method)(address, body)
    assert response.status_code == 200, response.content
    return response


@pytest.mark.parametrize("query", ZONES)
@pytest.mark.parametrize("method", ["put", "patch"])
def test_an_event_that_is_sent_back_stays_as_it_is(clock, olga, signed_in, method, query):
    event = EventFactory(
        organizer=olga,
        category=CategoryFactory(),
        meeting_url="https://meet.example.com/a",
        attendance_mode="hybrid",  # as it is derived
        latitude=52.5,
        longitude=13.4,
        max_capacity=5,
        reminder_hours=[48],
    )
    registered(event)
    before = row_of(event)

    send_back(signed_in(olga), method, f"/api/events/{event.pk}/{query}")

    assert row_of(event) == before


@pytest.mark.parametrize("method", ["put", "patch"])
def test_an_event_of_defaults_that_is_sent_back_stays_as_it_is(clock, olga, signed_in, method):
    client = signed_in(olga)
    body = {"name": "Talk", "location": "Hall", "start_time": "2027-03-15T09:00"}
    event = Event.objects.get(pk=client.post("/api/events/", body).json()["id"])
    before = row_of(event)

    send_back(client, method, f"/api/events/{event.pk}/")

    assert row_of(event) == before


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_row_of_a_list_may_be_sent_back(clock, olga, signed_in, method):
    event = EventFactory(organizer=olga, latitude=52.5, longitude=13.4)
    client = signed_in(olga)
    query = "?highlight=true&search=Berlin&near=52.5,13.4"
    (original,) = client.get(f"/api/me/events/{query}").json()["results"]
    before = row_of(event)

    response = getattr(client, method)(f"/api/events/{event.pk}/", original)

    assert response.status_code == 200, response.content
    assert {"headline", "distance_km"} < original.keys()
    assert row_of(event) == before


def test_an_event_may_be_copied(clock, olga, signed_in):
    event = EventFactory(organizer=olga, max_capacity=5)
    registered(event)
    client = signed_in(olga)
    original = client.get(f"/api/events/{event.pk}/").json()

    made = client.post("/api/events/", original)

    assert made.status_code == 201, made.content
    assert made.json()["id"] != event.pk
    assert made.json()["registered_count"] == 0


@pytest.mark.parametrize("query", ZONES)
def test_a_series_that_is_sent_back_stays_as_it_is(clock, olga, signed_in, query):
    series = SeriesFactory(
        organizer=olga, recurrence="FREQ=WEEKLY;COUNT=3\nEXDATE:20270221T120000Z"
    )
    before = row_of(series), [row_of(event) for event in series.events.order_by("pk")]

    send_back(signed_in(olga), "patch", f"/api/series/{series.pk}/{query}")

    assert (row_of(series), [row_of(event) for event in series.events.order_by("pk")]) == before


@pytest.mark.parametrize("address", ["/api/me/", "/api/users/{pk}/"])
@pytest.mark.parametrize("query", ZONES)
@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_profile_that_is_sent_back_stays_as_it_is(olga, signed_in, method, query, address):
    EventFactory(organizer=olga)
    edit_profile(olga, {"notification_preferences": {"event_changed": False}})
    before = row_of(olga)

    send_back(signed_in(olga), method, address.format(pk=olga.pk) + query)

    assert row_of(olga) == before


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_profile_that_is_sent_back_retains_the_pending_address(olga, signed_in, method):
    confirm_email(olga)
    edit_profile(olga, {"email": "new@example.com"})
    before = row_of(olga)

    send_back(signed_in(olga), method, "/api/me/")

    assert before["pending_email"] == "new@example.com"
    assert row_of(olga) == before


def test_the_present_address_alone_withdraws_the_pending_one(olga, signed_in):
    confirm_email(olga)
    edit_profile(olga, {"email": "new@example.com"})

    signed_in(olga).patch("/api/me/", {"email": olga.email})

    assert row_of(olga)["pending_email"] == ""


def test_staff_may_send_back_a_profile(ana, sam, signed_in):
    before = row_of(ana)

    send_back(signed_in(grant(sam, "accounts.change_user")), "put", f"/api/users/{ana.pk}/")

    assert row_of(ana) == before


@pytest.mark.parametrize("query", ZONES)
def test_a_registration_that_is_sent_back_stays_as_it_is(event, olga, ana, signed_in, query):
    registration = registered(event, name="Ana", email=ana.email, user=ana)
    before = row_of(registration)

    for user in (olga, ana):
        send_back(signed_in(user), "patch", f"/api/registrations/{registration.pk}/{query}")

    assert row_of(registration) == before


def test_the_response_to_a_new_guest_may_be_sent_back(event, anyone):
    body = {"name": "Bob", "email": "bob@example.com"}
    original = anyone.post(f"/api/events/{event.pk}/register/", body).json()
    registration = Registration.objects.get(pk=original["id"])
    before = row_of(registration)

    response = anyone.patch(
        f"/api/registrations/{registration.pk}/?token={original['manage_token']}",
        {**original, "name": "Bob Ray"},
    )

    assert response.status_code == 200, response.content
    assert row_of(registration) == {**before, "name": "Bob Ray"}


def test_feedback_that_is_sent_back_stays_as_it_is(event, ana, signed_in):
    feedback = Feedback.objects.create(event=event, author=ana, rating=4, comment="Good.")
    before = row_of(feedback)

    send_back(signed_in(ana), "patch", f"/api/feedback/{feedback.pk}/")

    assert row_of(feedback) == before


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_category_that_is_sent_back_stays_as_it_is(sam, signed_in, method):
    category = CategoryFactory(slug="talks", name="Talks")
    before = row_of(category)

    send_back(signed_in(grant(sam, "events.change_category")), method, "/api/categories/talks/")

    assert row_of(category) == before


# --- derived values ---


def create_event(client, **more: Any) -> Event:
    body = {"name": "Talk", "location": "Hall", "start_time": "2027-03-15T09:00:00Z", **more}
    return Event.objects.get(pk=client.post("/api/events/", body).json()["id"])


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2027-03-20T09:00:00Z", "2027-03-20T10:00:00Z"),
        ("2027-03-14T09:00:00Z", "2027-03-14T10:00:00Z"),
        ("2027-03-15T09:30:00Z", "2027-03-15T10:30:00Z"),
    ],
)
def test_a_default_end_follows_the_start(clock, olga, signed_in, method, start, end):
    client = signed_in(olga)
    event = create_event(client)

    response = send_back(client, method, f"/api/events/{event.pk}/", start_time=start)

    assert response.json()["end_time"] == end


def test_a_default_end_follows_a_start_that_is_sent_alone(clock, olga, signed_in):
    client = signed_in(olga)
    event = create_event(client)

    response = client.patch(f"/api/events/{event.pk}/", {"start_time": "2027-03-14T09:00:00Z"})

    assert response.json()["end_time"] == "2027-03-14T10:00:00Z"


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_chosen_end_stays_as_sent(clock, olga, signed_in, method):
    """Also one that is where the default would be."""
    client = signed_in(olga)
    event = create_event(client, end_time="2027-03-15T10:00:00Z")

    response = send_back(
        client, method, f"/api/events/{event.pk}/", start_time="2027-03-15T09:30:00Z"
    )

    assert response.json()["end_time"] == "2027-03-15T10:00:00Z"


def test_another_end_is_a_choice_and_none_takes_it_back(clock, olga, signed_in):
    client = signed_in(olga)
    event = create_event(client)
    address = f"/api/events/{event.pk}/"

    client.patch(address, {"end_time": "2027-03-15T11:00:00Z"})
    chosen = client.patch(address, {"start_time": "2027-03-15T09:30:00Z"}).json()["end_time"]
    body = {"name": "Talk", "location": "Hall", "start_time": "2027-03-15T12:00:00Z"}
    replaced = client.put(address, body).json()["end_time"]
    moved = client.patch(address, {"start_time": "2027-03-15T08:00:00Z"}).json()["end_time"]

    assert (chosen, replaced, moved) == (
        "2027-03-15T11:00:00Z",
        "2027-03-15T13:00:00Z",
        "2027-03-15T09:00:00Z",
    )


def test_another_zone_retains_the_local_times_that_are_sent_back(clock, olga, signed_in):
    client = signed_in(olga)
    event = create_event(
        client, timezone="Europe/Berlin", registration_opens_at="2027-02-01T09:00:00Z"
    )

    response = send_back(
        client,
        "patch",
        f"/api/events/{event.pk}/",
        timezone="America/New_York",
        keep_local_time=True,
    )

    original = response.json()
    assert (original["start_time"], original["end_time"], original["registration_opens_at"]) == (
        "2027-03-15T14:00:00Z",  # 10:00 in Berlin, where the clocks go forward later
        "2027-03-15T15:00:00Z",
        "2027-02-01T15:00:00Z",
    )

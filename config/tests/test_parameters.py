"""Query parameters: unknown, repeated and tracking ones."""

import json
from typing import Any

import pytest

from accounts.tests.factories import UserFactory
from config.api.views import _repeatable_parameters
from events.models import Event
from events.tests.factories import CategoryFactory, EventFactory
from registrations.services import cancel_registration
from registrations.tests.factories import registered
from registrations.tickets import manage_token

from .routes import routes

pytestmark = pytest.mark.django_db

TRACKING = "utm_source=mail&utm_campaign=may&utm_x=1&fbclid=a&gclid=b&mc_cid=c&mc_eid=d&fbclid=e"


def problem_of(response) -> tuple[int, str, list[tuple[str, str]]]:
    problem = response.json()
    errors = [(error["field"], error["code"]) for error in problem.get("errors", [])]
    return response.status_code, problem["code"], errors


def names_of(page: Any) -> list[str]:
    return sorted(row["name"] for row in page.json()["results"])


# --- once ---


@pytest.mark.parametrize(
    "query",
    [
        "page_size=2&page_size=2",
        "page_size=2&page_size=3",
        "cursor=a&cursor=b",
        "search=a&search=b",
        "when=past&when=all",
        "available=true&available=true",
        "ordering=name&ordering=-name",
        "count=true&count=false",
        "format=json&format=json",
        "format=json&format=xml",
        "timezone=UTC&timezone=UTC",
        "timezone=UTC&timezone=Nowhere",
        "date=2027-03-15&date=2027-03-16",
        "highlight=true&highlight=true",
    ],
)
def test_parameter_with_one_value_must_not_be_repeated(anyone, query):
    name = query.partition("=")[0]

    response = anyone.get(f"/api/events/?{query}")

    assert problem_of(response) == (400, "validation_error", [(name, "repeated")])


def test_token_and_dry_run_must_not_be_repeated(event, olga, anyone, signed_in):
    registration = registered(event)
    token = manage_token(registration.pk)
    address = f"/api/registrations/{registration.pk}/?token={token}&token={token}"

    read = anyone.get(address)
    made = signed_in(olga).post("/api/series/?dry_run=true&dry_run=false", {})

    assert problem_of(read) == (400, "validation_error", [("token", "repeated")])
    assert problem_of(made) == (400, "validation_error", [("dry_run", "repeated")])


def test_lists_accept_repeated_filters_alone():
    found = {
        route.path: _repeatable_parameters(route.view)
        for route in routes()
        if getattr(route.view, "filterset_class", None)
    }

    of_events, of_people = {"category", "status", "attendance_mode"}, {"status"}
    assert found == {
        "api/events/": of_events,
        "api/events/calendar.ics": of_events,
        "api/events/facets/": of_events,
        "api/me/events/": of_events,
        "api/me/registrations/": of_events,
        "api/series/": set(),
        "api/events/<id:pk>/attendees/": of_people,
        "api/events/<id:pk>/attendees/export/": of_people,
    }


# --- several values ---


def test_events_of_several_states_are_listed(anyone, olga, max_, signed_in):
    for status in Event.Status.values:
        EventFactory(name=status, organizer=olga, status=status)
    EventFactory(name="draft of another", organizer=max_, status=Event.Status.DRAFT)
    query = "/api/events/?status=draft&status=cancelled"

    assert names_of(anyone.get(query)) == ["cancelled"]
    assert names_of(signed_in(olga).get(query)) == ["cancelled", "draft"]
    assert names_of(signed_in(olga).get("/api/me/events/?status=published&status=draft")) == [
        "draft",
        "published",
    ]


def test_pages_of_several_states_follow_each_other(anyone, olga):
    for number in range(5):
        status = Event.Status.CANCELLED if number % 2 else Event.Status.PUBLISHED
        EventFactory(name=f"{number}", organizer=olga, status=status)
    url, found = "/api/events/?status=published&status=cancelled&page_size=2", []

    while url:
        page = anyone.get(url).json()
        found += [row["name"] for row in page["results"]]
        url = page["next"]

    assert found == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("query", ["status=draft&status=gone", "status=", "status=draft&status="])
def test_each_repeated_state_must_be_valid(anyone, query):
    response = anyone.get(f"/api/events/?{query}")

    assert problem_of(response) == (400, "validation_error", [("status", "invalid_choice")])


def test_attendees_of_several_states_are_listed_and_exported(event, olga, signed_in):
    registered(event, name="Ann", email="ann@example.com")
    cancel_registration(registered(event, name="Bob", email="bob@example.com"))
    client, address = signed_in(olga), f"/api/events/{event.pk}/attendees/"
    query = "status=confirmed&status=cancelled"

    listed = client.get(f"{address}?{query}")
    exported = client.get(f"{address}export/?format=json&{query}")

    assert names_of(listed) == ["Ann", "Bob"]
    assert sorted(row["name"] for row in json.loads(b"".join(exported))) == ["Ann", "Bob"]
    assert names_of(client.get(f"{address}?status=cancelled")) == ["Bob"]


def test_own_registrations_of_several_states_are_listed(signed_in):
    user = UserFactory()
    own = {"name": "Me", "email": user.email, "user": user}
    confirmed, left = registered(EventFactory(), **own), registered(EventFactory(), **own)
    cancel_registration(left)
    client, address = signed_in(user), "/api/me/registrations/"

    both = client.get(f"{address}?status=confirmed&status=cancelled").json()["results"]
    waiting = client.get(f"{address}?status=waitlisted&status=cancelled").json()["results"]

    assert {row["id"] for row in both} == {str(confirmed.pk), str(left.pk)}
    assert [row["id"] for row in waiting] == [str(left.pk)]


def test_events_of_several_categories_and_states_are_listed(anyone, olga):
    talks, walks = (CategoryFactory(slug=slug) for slug in ("talks", "walks"))
    EventFactory(name="talk", organizer=olga, category=talks)
    EventFactory(name="walk", organizer=olga, category=walks, status=Event.Status.CANCELLED)
    EventFactory(name="else", organizer=olga)

    found = anyone.get(
        "/api/events/?category=talks&category=walks&status=published&status=cancelled"
    )

    assert names_of(found) == ["talk", "walk"]


# --- what links pick up ---


def test_files_and_feeds_ignore_tracking_parameters(event, olga, ana, anyone, signed_in):
    registration = registered(event, name="Ana", email=ana.email, user=ana)
    token = manage_token(registration.pk)
    addresses = [
        f"/api/events/{event.pk}/calendar.ics?{TRACKING}",
        f"/api/events/calendar.ics?{TRACKING}&category=talks",
        f"/api/registrations/{registration.pk}/ticket.svg?token={token}&{TRACKING}",
        f"/api/registrations/{registration.pk}/ticket.png?token={token}&{TRACKING}",
        f"/?{TRACKING}",
        f"/problems/?{TRACKING}",
    ]
    of_organizer = f"/api/events/{event.pk}/attendees/export/?{TRACKING}"

    statuses = [anyone.get(address).status_code for address in addresses]

    assert statuses == [200] * len(addresses)
    assert signed_in(olga).get(of_organizer).status_code == 200
    assert signed_in(ana).get(f"/api/me/export/?{TRACKING}").status_code == 200


@pytest.mark.parametrize("path", ["/api/events/", "/api/events/{pk}/", "/api/events/facets/"])
def test_other_routes_refuse_tracking_parameters(anyone, event, path):
    response = anyone.get(f"{path.format(pk=event.pk)}?utm_source=mail")

    assert problem_of(response) == (400, "unknown_parameter", [("utm_source", "unknown_parameter")])


# --- suggestions ---


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("catgory", "category"),
        ("q", "search"),
        ("sort", "ordering"),
        ("pageSize", "page_size"),
        ("page", "cursor"),
        ("offset", "cursor"),
        ("limit", "page_size"),
        ("tz", "timezone"),
    ],
)
def test_unknown_parameter_suggests_a_known_one(anyone, sent, meant):
    (error,) = anyone.get(f"/api/events/?{sent}=2").json()["errors"]

    assert (error["field"], error["suggestion"]) == (sent, meant)
    assert meant in error["detail"]


@pytest.mark.parametrize("sent", ["page", "limit", "offset"])
def test_numbered_pages_are_explained(anyone, sent):
    (error,) = anyone.get(f"/api/events/?{sent}=2").json()["errors"]

    assert error["detail"].startswith("Pages have no numbers: follow the links next and previous")


def test_pages_are_not_explained_where_there_are_none(anyone, event):
    (error,) = anyone.get(f"/api/events/{event.pk}/?page=2").json()["errors"]

    assert error == {
        "field": "page",
        "code": "unknown_parameter",
        "detail": "Known here are: format, key, timezone.",
    }

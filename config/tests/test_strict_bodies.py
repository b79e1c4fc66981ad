"""Bodies are strict on every route that reads one."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.tokens import open_session
from config.api.http.name_suggestions import MAX_REPORTED
from config.api.http.preferences import prefers_lenient_handling
from config.api.http.strict_bodies import response_fields
from events.models import Event
from events.tests.factories import EventFactory

from .access import File, World, make_world
from .routes import METHODS, Route, routes
from .test_access import NAMES, ROLES, lines

pytestmark = pytest.mark.django_db

ROUTES = {route.path: route for route in routes()}
UNKNOWN = {"field": "no_such_field", "code": "unknown_field"}


@dataclass(frozen=True)
class Cell:
    """A request that succeeds, by a user with access."""

    route: Route
    row: str
    method: str
    role: str
    status: int

    def __str__(self) -> str:
        return f"{self.method} {self.route.path}"


def reads_body(route: Route, method: str) -> bool:
    if method == "DELETE":
        return bool(getattr(route.view.delete, "takes_body", False))
    return method in {"POST", "PUT", "PATCH"}


def cells() -> list[Cell]:
    """For each route and method of the API that may have a body, the first success in the table."""
    by_route: dict[tuple[str, str], Cell] = {}
    for line in lines():
        route = ROUTES[line.path]
        if not line.path.startswith("api/") or not reads_body(route, line.method):
            continue
        for role, status in zip(ROLES, line.expected, strict=True):
            if status.startswith("2"):
                cell = Cell(route, line.row, line.method, role, int(status))
                by_route.setdefault((line.path, line.method), cell)
    return list(by_route.values())


@pytest.fixture
def world(db) -> World:
    return make_world()


def send(world: World, cell: Cell, more: dict[str, Any], **headers: str) -> Any:
    """The response to the table's request with more fields; what was done is undone."""
    client = APIClient(raise_request_exception=False)
    if cell.role in NAMES:
        access = open_session(world.people[NAMES[cell.role]])["access"]
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
    body = world.bodies().get(f"{cell.method} {cell.route.path}", {})
    kwargs, query = world.rows()[cell.row]
    address = cell.route.address(kwargs, query)
    with transaction.atomic():
        call = getattr(client, cell.method.lower())
        if isinstance(body, File):  # which as a part of a form has others beside it
            form = {**body.form(), **more}
            response = call(address, form, format="multipart", headers=headers)
        else:
            response = call(address, {**body, **more}, headers=headers)
        transaction.set_rollback(True)
    return response


def unknown_in(response: HttpResponse) -> list[dict[str, str]]:
    if response.status_code != 400:
        return []
    return [
        {name: error[name] for name in ("field", "code")} for error in response.json()["errors"]
    ]


def test_there_is_a_success_of_every_route_that_reads_a_body():
    expected = {
        f"{method} {route.path}"
        for route in ROUTES.values()
        for method in METHODS
        if route.path.startswith("api/") and method in route.methods and reads_body(route, method)
    }

    assert {str(cell) for cell in cells()} == expected


def test_an_unknown_field_is_an_error_on_every_route(world):
    errors_by_cell = {
        str(cell): unknown_in(send(world, cell, {"no_such_field": "x"})) for cell in cells()
    }

    assert {name for name, errors in errors_by_cell.items() if errors != [UNKNOWN]} == set()


def test_lenient_handling_ignores_unknown_fields_on_every_route(world):
    wrong = []
    for cell in cells():
        response = send(world, cell, {"no_such_field": "x"}, Prefer="handling=lenient")
        applied = response.headers.get("Preference-Applied")
        if (response.status_code, applied) != (cell.status, "handling=lenient"):
            wrong.append(f"{cell}: {response.status_code} {applied} {response.content!r}")

    assert wrong == []


def test_field_of_the_response_is_no_unknown_field(world):
    wrong = []
    for cell in cells():
        more = dict.fromkeys(response_fields(cell.route.view), "x")
        wrong += [
            f"{cell}: {error}"
            for error in unknown_in(send(world, cell, more))
            if error["code"] == "unknown_field"
        ]

    assert wrong == []


# --- the header Prefer ---


@pytest.mark.parametrize(
    "header",
    [
        "handling=lenient",
        "Handling=Lenient",
        'handling="lenient"',
        "handling = lenient",
        "respond-async, handling=lenient",
        "respond-async, wait=100, handling=lenient",
        "handling=lenient; foo=bar",
        'return=minimal; foo="some, parameter", handling=lenient',
        "handling=lenient, handling=strict",
        ",, handling=lenient ,",
    ],
)
def test_lenient_handling_is_read_as_rfc_7240_writes_it(header):
    assert prefers_lenient_handling(header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "handling",
        "handling=",
        "handling=strict",
        "handling=strict, handling=lenient",
        "lenient",
        "handling=lenientish",
        "xhandling=lenient",
        'foo="handling=lenient"',
        'foo="a, handling=lenient"',
        "foo; handling=lenient",
        "handling: lenient",
    ],
)
def test_any_other_preference_asks_for_nothing(header):
    assert not prefers_lenient_handling(header)


# --- single routes ---


def test_a_guest_with_an_unknown_field_takes_no_seat(event, anyone):
    body = {"name": "Bob", "email": "bob@example.com", "nmae": "Rob"}

    response = anyone.post(f"/api/events/{event.pk}/register/", body)

    assert unknown_in(response) == [{"field": "nmae", "code": "unknown_field"}]
    assert response.json()["errors"][0]["suggestion"] == "name"
    event.refresh_from_db()
    assert event.registered_count == 0


@pytest.mark.parametrize(
    "name", ["answers.diet", "guests.0.name", "name.first", "party_size[]", "email[0]"]
)
def test_a_name_inside_a_field_that_a_form_cannot_have_is_unknown(event, anyone, name):
    body = {"name": "Bob", "email": "bob@example.com", name: "x"}

    response = anyone.post(f"/api/events/{event.pk}/register/", body, format="multipart")

    assert unknown_in(response) == [{"field": name, "code": "unknown_field"}]
    event.refresh_from_db()
    assert event.registered_count == 0


def test_index_that_a_list_of_a_form_does_not_read_is_unknown(olga, signed_in, event):
    path = f"/api/events/{event.pk}/"

    response = signed_in(olga).patch(path, {"reminder_hours[0]": "5"}, format="multipart")

    assert unknown_in(response) == [{"field": "reminder_hours[0]", "code": "unknown_field"}]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/api/events/{}/register/"),
        ("put", "/api/events/{}/"),
        ("patch", "/api/events/{}/"),
        ("post", "/api/events/{}/publish/"),
        ("post", "/api/events/{}/cancel/"),
        ("post", "/api/events/{}/messages/"),
        ("post", "/api/events/{}/check-in/"),
        ("post", "/api/events/{}/feedback/"),
    ],
)
def test_a_row_that_is_not_there_comes_before_an_unknown_field(max_, signed_in, olga, method, path):
    draft = EventFactory(organizer=olga, status=Event.Status.DRAFT)

    for pk in (draft.pk, 999_999):
        response = getattr(signed_in(max_), method)(path.format(pk), {"no_such_field": 1})
        assert response.status_code == 404


def test_an_unknown_field_comes_before_checks_of_state(olga, signed_in):
    event = EventFactory(organizer=olga, status=Event.Status.CANCELLED)

    response = signed_in(olga).patch(f"/api/events/{event.pk}/", {"no_such_field": 1})

    assert unknown_in(response) == [UNKNOWN]


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("path", ["/api/me/", "/api/users/{}/"])
def test_password_in_a_profile_names_the_route_for_passwords(ana, signed_in, method, path):
    body = {"email": ana.email, "username": ana.username, "password": "another-horse-7"}

    response = getattr(signed_in(ana), method)(path.format(ana.pk), body)

    assert response.status_code == 400
    assert response.json()["errors"] == [
        {
            "field": "password",
            "code": "unknown_field",
            "detail": "Change the password with POST /api/password/change/.",
        }
    ]


@pytest.mark.parametrize("prefer", ["", "handling=lenient"])
def test_an_unknown_field_of_an_object_is_reported_by_its_path(ana, signed_in, prefer):
    body = {"notification_preferences": {"event_changd": False, "event_changed": False}}

    response = signed_in(ana).patch("/api/me/", body, headers={"Prefer": prefer})

    path = "notification_preferences.event_changd"
    if prefer:
        assert response.json()["notification_preferences"]["event_changed"] is False
    else:
        assert unknown_in(response) == [{"field": path, "code": "unknown_field"}]
        assert response.json()["errors"][0]["suggestion"] == "event_changed"


def test_an_unknown_field_of_an_item_is_reported_by_its_path(olga, signed_in):
    start = (timezone.now() + timedelta(days=9)).isoformat()
    good = {"name": "Talk", "location": "Hall", "start_time": start}
    rows = [good, {**good, "capcity": 3}]

    strict = signed_in(olga).post("/api/events/bulk/", {"events": rows})
    partial = signed_in(olga).post("/api/events/bulk/", {"events": rows, "partial": True})
    lenient = signed_in(olga).post(
        "/api/events/bulk/", {"events": rows}, headers={"Prefer": "handling=lenient"}
    )

    assert unknown_in(strict) == [{"field": "events.1.capcity", "code": "unknown_field"}]
    assert (partial.json()["created"], partial.json()["refused"]) == (1, 1)
    assert lenient.json()["created"] == 2


def test_query_parameter_in_the_body_is_explained(olga, signed_in):
    response = signed_in(olga).post("/api/series/", {"dry_run": True})

    assert {
        "field": "dry_run",
        "code": "unknown_field",
        "detail": "Send it as a query parameter: ?dry_run=…",
    } in response.json()["errors"]


def test_number_of_reported_unknown_fields_is_bounded(olga, signed_in):
    body = {f"field_{number}": 1 for number in range(5_000)} | {"x" * 100_000: 1}

    response = signed_in(olga).post("/api/events/", body)

    unknown = [each for each in unknown_in(response) if each["code"] == "unknown_field"]
    assert len(unknown) == MAX_REPORTED
    assert len(response.content) < 10_000


@pytest.mark.parametrize("form", ["multipart", "json"], ids=["form", "json"])
def test_a_field_that_is_named_as_a_member_of_any_object_is_unknown(olga, signed_in, form):
    """Names of attributes of our own objects are nothing special."""
    names = ("__class__", "fields", "initial_data", "non_field_errors", "errors", "data")
    body = dict.fromkeys(names, "x")

    response = signed_in(olga).post("/api/events/", body, format=form)

    unknown = {each["field"] for each in unknown_in(response) if each["code"] == "unknown_field"}
    assert unknown == set(names)


def test_the_first_answer_to_a_key_is_replayed_with_its_preference(event, anyone):
    body = {"name": "Bob", "email": "bob@example.com", "no_such_field": 1}
    address = f"/api/events/{event.pk}/register/"
    headers = {"Idempotency-Key": "one", "Prefer": "handling=lenient"}

    first, second = (anyone.post(address, body, headers=headers) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert second["Idempotent-Replayed"] == "true"
    assert second["Preference-Applied"] == first["Preference-Applied"] == "handling=lenient"
    assert second.content == first.content


def test_answers_to_writes_vary_by_preference(event, anyone):
    read = anyone.get(f"/api/events/{event.pk}/")
    written = anyone.post(f"/api/events/{event.pk}/register/", {})

    assert "Prefer" not in read["Vary"]
    assert "Prefer" in written["Vary"]
    assert "Preference-Applied" not in written

"""Bodies are strict on every route that reads one."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from rest_framework.test import APIClient

from accounts.tokens import open_session
from config.api.preferences import prefers_lenient_handling
from config.api.strict_bodies import shown_fields

from .access import File, World, make_world
from .routes import METHODS, Route, routes
from .test_access import NAMES, ROLES, lines

ROUTES = {route.path: route for route in routes()}
UNKNOWN = {"field": "no_such_field", "code": "unknown_field"}


@dataclass(frozen=True)
class Cell:
    """A request that succeeds, by somebody who may do it."""

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
    found: dict[tuple[str, str], Cell] = {}
    for line in lines():
        route = ROUTES[line.path]
        if not line.path.startswith("api/") or not reads_body(route, line.method):
            continue
        for role, status in zip(ROLES, line.expected, strict=True):
            if status.startswith("2"):
                cell = Cell(route, line.row, line.method, role, int(status))
                found.setdefault((line.path, line.method), cell)
    return list(found.values())


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
            form = {"file": body.uploaded(), **more}
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
    found = {str(cell): unknown_in(send(world, cell, {"no_such_field": "x"})) for cell in cells()}

    assert {name for name, errors in found.items() if errors != [UNKNOWN]} == set()


def test_lenient_handling_ignores_unknown_fields_on_every_route(world):
    wrong = []
    for cell in cells():
        response = send(world, cell, {"no_such_field": "x"}, Prefer="handling=lenient")
        applied = response.headers.get("Preference-Applied")
        if (response.status_code, applied) != (cell.status, "handling=lenient"):
            wrong.append(f"{cell}: {response.status_code} {applied} {response.content!r}")

    assert wrong == []


def test_what_a_route_shows_is_no_unknown_field(world):
    wrong = []
    for cell in cells():
        more = dict.fromkeys(shown_fields(cell.route.view), "x")
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

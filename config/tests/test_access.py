"""Object-level access: the table in `access` is complete and correct."""

from dataclasses import dataclass

import pytest
from django.db import transaction
from django.http.response import HttpResponseBase
from rest_framework.test import APIClient

from accounts.tokens import open_session
from events.tests.factories import EventFactory, with_role

from .access import ACCESS, NEEDED_ROWS, ROLES, File, World, make_world
from .routes import METHODS, Route, routes

ROUTES = {route.path: route for route in routes()}
NAMES = {
    "stranger": "max",
    "attendee": "ana",
    "organizer": "olga",
    "bare": "kim",
    "staff": "sam",
}


@dataclass(frozen=True)
class Line:
    path: str
    row: str
    method: str
    expected: tuple[str, ...]


def lines() -> list[Line]:
    table = []
    for text in ACCESS.strip().splitlines():
        if text.strip() and not text.lstrip().startswith("#"):
            path, row, method, *expected = text.split()
            path = "" if path == "/" else path
            assert len(expected) == len(ROLES), f"one status for each of {ROLES}: {text}"
            table.append(Line(path, row, method, tuple(expected)))
    return table


@pytest.fixture
def world(db) -> World:
    return make_world()


@pytest.fixture
def clients(world: World) -> dict[str, APIClient]:
    by_role = {}
    for role in ROLES:
        client = by_role[role] = APIClient(raise_request_exception=False)
        if role in NAMES:
            access = open_session(world.people[NAMES[role]])["access"]
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
    return by_role


def needed() -> set[tuple[str, str, str]]:
    """Each route, row and method that has to have a line; any row where none is prescribed."""
    cells = set()
    for route in ROUTES.values():
        rows = next((NEEDED_ROWS[start] for start in NEEDED_ROWS if route.path.startswith(start)),
                    ("*",))  # fmt: skip
        cells |= {(route.path, row, method) for row in rows for method in route.methods}
    return cells


def test_every_route_and_method_has_an_expectation():
    covered = {(line.path, line.row, line.method) for line in lines()}
    covered |= {(path, "*", method) for path, _, method in covered}

    missing = sorted(needed() - covered)

    suggestion = "\n".join(
        f"{path or '/'}  {row.replace('*', '-')}  {method}" + "  ?" * len(ROLES)
        for path, row, method in missing
    )
    assert not missing, (
        "Say who may do this: copy these lines into ACCESS of config/tests/access.py, with the "
        f"status for each of {', '.join(ROLES)} instead of the question marks. Where the route "
        "takes a row, name one of `rows()` instead of `-`, and make it in `make_world()`. What "
        f"a method has to send goes into `bodies()`.\n\n{suggestion}"
    )


def test_no_expectation_outlives_its_route():
    known = {(route.path, method) for route in ROUTES.values() for method in route.methods}

    assert [line for line in lines() if (line.path, line.method) not in known] == []


def status_of(client: APIClient, method: str, address: str, body: object) -> str:
    return str(sent(client, method, address, body).status_code)


def sent(client: APIClient, method: str, address: str, body: object) -> HttpResponseBase:
    """What comes back; what was done is undone."""
    with transaction.atomic():
        send = getattr(client, method.lower())
        if method == "GET":
            response: HttpResponseBase = send(address)
        elif isinstance(body, File):
            response = send(address, body.content, content_type=body.media_type)
        else:
            response = send(address, body)
        if response.streaming:
            b"".join(response)
        transaction.set_rollback(True)
    return response


def test_access_is_exactly_that_of_the_table(world, clients):
    rows, bodies = world.rows(), world.bodies()
    wrong = []

    for line in lines():
        kwargs, query = rows[line.row]
        address = ROUTES[line.path].address(kwargs, query)
        body = bodies.get(f"{line.method} {line.path}", {})
        statuses = tuple(status_of(clients[role], line.method, address, body) for role in ROLES)
        if statuses != line.expected:
            wrong.append(f"{line.path}  {line.row}  {line.method}  {'  '.join(statuses)}")

    assert not wrong, "Other statuses than in config/tests/access.py:\n\n" + "\n".join(wrong)


@pytest.mark.parametrize("role", ["manager", "editor"])
def test_a_role_on_one_event_opens_no_other(world, clients, role):
    """Neither the event of the team nor those of the table are in a series."""
    with_role(world.people["max"], role, EventFactory(organizer=world.people["kim"]))
    rows, bodies = world.rows(), world.bodies()
    wrong = []

    for line in lines():
        address = ROUTES[line.path].address(*rows[line.row])
        body = bodies.get(f"{line.method} {line.path}", {})
        status = status_of(clients["stranger"], line.method, address, body)
        if status != line.expected[ROLES.index("stranger")]:
            wrong.append(f"{line.path}  {line.row}  {line.method}  {status}")

    assert wrong == []


def test_a_method_that_a_route_does_not_have_is_refused_to_everybody(world, clients):
    rows = world.rows()
    wrong = []

    for line in {line.path: line for line in lines()}.values():
        route: Route = ROUTES[line.path]
        if route.view is None or not line.path.startswith("api/"):
            continue
        address = route.address(*rows[line.row])
        for method in set(METHODS) - set(route.methods):
            for role in ROLES:
                status = status_of(clients[role], method, address, {})
                if status != "405":
                    wrong.append(f"{method} {address} as {role}: {status}")

    assert wrong == []

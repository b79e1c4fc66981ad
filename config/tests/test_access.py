"""Object-level access: the table in `access` is complete, and true in every cell."""

from dataclasses import dataclass

import pytest
from django.db import transaction
from django.http.response import HttpResponseBase
from rest_framework.test import APIClient

from accounts.tokens import open_session

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
    found = []
    for text in ACCESS.strip().splitlines():
        if text.strip() and not text.lstrip().startswith("#"):
            path, row, method, *expected = text.split()
            path = "" if path == "/" else path
            assert len(expected) == len(ROLES), f"one status for each of {ROLES}: {text}"
            found.append(Line(path, row, method, tuple(expected)))
    return found


@pytest.fixture
def world(db) -> World:
    return make_world()


@pytest.fixture
def clients(world: World) -> dict[str, APIClient]:
    found = {}
    for role in ROLES:
        client = found[role] = APIClient(raise_request_exception=False)
        if role in NAMES:
            access = open_session(world.people[NAMES[role]])["access"]
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
    return found


def needed() -> set[tuple[str, str, str]]:
    """Each route, row and method that has to have a line; any row where none is prescribed."""
    found = set()
    for route in ROUTES.values():
        rows = next((NEEDED_ROWS[start] for start in NEEDED_ROWS if route.path.startswith(start)),
                    ("*",))  # fmt: skip
        found |= {(route.path, row, method) for row in rows for method in route.methods}
    return found


def test_every_route_and_method_has_an_expectation():
    told = {(line.path, line.row, line.method) for line in lines()}
    told |= {(path, "*", method) for path, _, method in told}

    missing = sorted(needed() - told)

    wanted = "\n".join(
        f"{path or '/'}  {row.replace('*', '-')}  {method}" + "  ?" * len(ROLES)
        for path, row, method in missing
    )
    assert not missing, (
        "Say who may do this: copy these lines into ACCESS of config/tests/access.py, with the "
        f"status for each of {', '.join(ROLES)} instead of the question marks. Where the route "
        "takes a row, name one of `rows()` instead of `-`, and make it in `make_world()`. What "
        f"a method has to send goes into `bodies()`.\n\n{wanted}"
    )


def test_no_expectation_outlives_its_route():
    known = {(route.path, method) for route in ROUTES.values() for method in route.methods}

    assert [line for line in lines() if (line.path, line.method) not in known] == []


def status_of(client: APIClient, method: str, address: str, body: object) -> str:
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
    return str(response.status_code)


def test_access_is_exactly_that_of_the_table(world, clients):
    rows, bodies = world.rows(), world.bodies()
    wrong = []

    for line in lines():
        kwargs, query = rows[line.row]
        address = ROUTES[line.path].address(kwargs, query)
        body = bodies.get(f"{line.method} {line.path}", {})
        told = tuple(status_of(clients[role], line.method, address, body) for role in ROLES)
        if told != line.expected:
            wrong.append(f"{line.path}  {line.row}  {line.method}  {'  '.join(told)}")

    assert not wrong, "Other statuses than in config/tests/access.py:\n\n" + "\n".join(wrong)


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

"""Access by API keys: the table in `key_access` is complete and correct."""

import pytest

from accounts.tests.factories import key_client
from config.api.key_scopes import Scope

from .access import ROLES, World, make_world
from .key_access import key_access
from .test_access import ROUTES, Line, lines, sent

ORGANIZER, STRANGER = ROLES.index("organizer"), ROLES.index("stranger")


@pytest.fixture
def world(db) -> World:
    return make_world()


def expected_of(line: Line, words: list[str], scope: str) -> tuple[str, str]:
    """The status of olga's key with this scope, and the code of the error; "-" for any code."""
    if words == ["ignored"]:
        return line.expected[0], "-"  # as for a guest
    if words == ["closed"]:
        return "403", "key_not_allowed"
    if line.path == "api/key/":
        return "200", "-"
    if words == ["open"]:
        sees_own = scope == Scope.EVENTS_READ
        return line.expected[ORGANIZER if sees_own else STRANGER], "-"
    if scope in words:
        return line.expected[ORGANIZER], "-"
    return "403", "insufficient_scope"


def test_every_route_and_method_says_what_keys_may_do():
    needed = {
        (method, route.path)
        for route in ROUTES.values()
        if route.path.startswith("api/")
        for method in route.methods
    }

    missing, gone = sorted(needed - key_access().keys()), sorted(key_access().keys() - needed)

    assert not missing, (
        "Say what an API key may do: add these routes to KEY_ACCESS of config/tests/key_access.py, "
        f"and the scopes to `key_scopes` of the view: {missing}"
    )
    assert not gone


@pytest.mark.parametrize("scope", Scope.values)
def test_a_key_may_do_exactly_what_its_scope_allows(world, scope):
    table, rows, bodies = key_access(), world.rows(), world.bodies()
    client = key_client(world.people["olga"], scope)
    wrong = []

    for line in lines():
        words = table.get((line.method, line.path))
        if words is None:
            continue  # a page
        address = ROUTES[line.path].address(*rows[line.row])
        response = sent(client, line.method, address, bodies.get(f"{line.method} {line.path}", {}))
        expected, code = expected_of(line, words, scope)
        problem = response.data if response.status_code == 403 else {}
        if str(response.status_code) != expected or (code != "-" and problem["code"] != code):
            wrong.append(f"{line.method} {line.path} {line.row}: {response.status_code} {problem}")
        elif code == "insufficient_scope" and problem["required_scope"] != words[0]:
            wrong.append(f"{line.method} {line.path}: {problem['required_scope']}")

    assert wrong == []


def test_a_stranger_s_key_may_do_no_more_than_the_stranger(world):
    table, rows, bodies = key_access(), world.rows(), world.bodies()
    client = key_client(world.people["max"])
    wrong = []

    for line in lines():
        words = table.get((line.method, line.path), ["closed"])
        if words in (["closed"], ["ignored"]) or line.path == "api/key/":
            continue
        address = ROUTES[line.path].address(*rows[line.row])
        response = sent(client, line.method, address, bodies.get(f"{line.method} {line.path}", {}))
        if str(response.status_code) != line.expected[STRANGER]:
            wrong.append(f"{line.method} {line.path} {line.row}: {response.status_code}")

    assert wrong == []


def test_staff_rights_do_not_extend_to_keys(world):
    rows = world.rows()
    client = key_client(world.people["root"])

    draft = client.get(ROUTES["api/events/<id:pk>/"].address(*rows["draft"]))
    attendees = client.get(ROUTES["api/events/<id:pk>/attendees/"].address(*rows["published"]))

    assert (draft.status_code, attendees.status_code) == (404, 403)

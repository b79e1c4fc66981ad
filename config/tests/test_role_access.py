"""Access by roles: the table in `role_access` is complete and correct."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import UserFactory
from accounts.tokens import open_session
from events.models import Role
from events.tests.factories import with_role

from .access import ROLES, World, make_world
from .role_access import role_access
from .test_access import ROUTES, Line, lines, sent

ORGANIZER, STRANGER = ROLES.index("organizer"), ROLES.index("stranger")
TEAM_ROLES = [role.value for role in Role if role != Role.OWNER]
# Routes about the caller's own rows.
PERSONAL = ("api/me/", "api/users/", "api/logout/", "api/feedback/", "api/webhooks/")


@pytest.fixture
def world(db) -> World:
    return make_world()


def differs(line: Line) -> bool:
    """Whether the organizer gets another status than a stranger."""
    return line.expected[ORGANIZER] != line.expected[STRANGER]


def expected_of(line: Line, words: list[str], role: str) -> tuple[str, bool]:
    """The status, and whether it is `role_too_low`."""
    organizer = line.expected[ORGANIZER]
    if words == ["all"] or role in words:
        return organizer, False
    return ("404", False) if words[0] == "hidden:" else ("403", organizer != "404")


def test_every_route_and_method_says_what_roles_may_do():
    needed = {
        (method, route.path)
        for route in ROUTES.values()
        if route.path.startswith("api/")
        for method in route.methods
    }

    missing, gone = sorted(needed - role_access().keys()), sorted(role_access().keys() - needed)

    assert not missing, f"add lines to config/tests/role_access.py: {missing}"
    assert not gone


def test_roles_matter_wherever_an_organizer_differs_from_a_stranger():
    wrong = [
        line
        for line in lines()
        if role_access().get((line.method, line.path)) == ["same"]
        and differs(line)
        and not line.path.startswith(PERSONAL)
    ]

    assert wrong == []


@pytest.mark.parametrize("role", TEAM_ROLES)
def test_a_role_may_do_exactly_what_the_table_says(world, role):
    rows, bodies, user = world.rows(), world.bodies(), UserFactory(username="rolf")
    for row in (*world.events.values(), *world.series.values()):
        with_role(user, role, row)
    client = APIClient(raise_request_exception=False)
    user = User.objects.get(pk=user.pk)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(user)['access']}")
    wrong = []

    for line in lines():
        words = role_access().get((line.method, line.path), ["same"])
        if words == ["same"] or not differs(line):
            continue
        address = ROUTES[line.path].address(*rows[line.row])
        response = sent(client, line.method, address, bodies.get(f"{line.method} {line.path}", {}))
        status, is_too_low = expected_of(line, words, role)
        code = response.data["code"] if response.status_code == 403 else ""
        if str(response.status_code) != status or (code == "role_too_low") != is_too_low:
            wrong.append(f"{line.method} {line.path} {line.row}: {response.status_code} {code}")

    assert wrong == []


# --- other modules ---

_ROLES = {role.name for role in Role}
_OWNERS = {"organizer", "organizer_id"}
_MAY_TEST_ROLES = {
    "events/models/rights.py",
    "events/models/team.py",
    # The changes of a team: only the owner decides about managers, and a transfer is an invitation.
    "events/services/team.py",
    "events/admin/team.py",
    "events/serializers/team.py",
}


def role_tests(module: Path) -> Iterator[str]:
    """The names of roles in a module, and its comparisons with the organizer or with a role."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Role":
            if node.attr in _ROLES:
                yield ast.unparse(node)
        elif isinstance(node, ast.Compare):
            sides = {ast.unparse(side).split(".")[-1] for side in (node.left, *node.comparators)}
            is_of_a_role = sides & _OWNERS or "role_on(" in ast.unparse(node)
            if is_of_a_role and "None" not in sides:  # whether there is one at all
                yield ast.unparse(node)


def test_no_other_module_tests_roles():
    base = Path(settings.BASE_DIR)
    modules = {
        str(path.relative_to(base)): path
        for app in ("config", "accounts", "events", "registrations")
        for path in (base / app).rglob("*.py")
        if not {"tests", "migrations"} & set(path.relative_to(base).parts)
    }

    found = {name: list(role_tests(path)) for name, path in modules.items()}

    assert len(modules) > 200
    assert {name for name, tests in found.items() if tests} == _MAY_TEST_ROLES, found

"""Staff rights follow the model permissions, each by itself, on every route."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, Permission
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import UserFactory, grant
from accounts.tokens import open_session
from config.api.staff_rights import (
    has_staff_right,
    outranked_accounts,
    outranks,
    rights_key,
)

from .access import ROLES, World, make_world
from .test_access import ROUTES, Line, lines, status_of

# What staff need on each route where they may do more than other accounts. Of several permissions
# any one is enough: whoever may change rows may view them.
NEEDED = """
GET    api/users/                           accounts.view_user accounts.change_user
GET    api/users/<id:pk>/                   accounts.view_user accounts.change_user
PUT    api/users/<id:pk>/                   accounts.change_user
PATCH  api/users/<id:pk>/                   accounts.change_user
DELETE api/users/<id:pk>/                   accounts.delete_user

GET    api/events/<id:pk>/                  events.view_event events.change_event
PUT    api/events/<id:pk>/                  events.change_event
PATCH  api/events/<id:pk>/                  events.change_event
DELETE api/events/<id:pk>/                  events.delete_event
POST   api/events/<id:pk>/publish/          events.change_event
POST   api/events/<id:pk>/key/reset/        events.change_event
PUT    api/events/<id:pk>/image/            events.change_event
DELETE api/events/<id:pk>/image/            events.change_event
POST   api/events/<id:pk>/cancel/           events.change_event
POST   api/events/<id:pk>/duplicate/        events.change_event
GET    api/events/<id:pk>/calendar.ics      events.view_event events.change_event
POST   api/events/<id:pk>/register/         events.view_event events.change_event
GET    api/events/<id:pk>/feedback/         events.view_event events.change_event
POST   api/events/<id:pk>/feedback/         events.view_event events.change_event

GET    api/series/<id:pk>/                  events.view_series events.change_series
PATCH  api/series/<id:pk>/                  events.change_series
DELETE api/series/<id:pk>/                  events.delete_series
POST   api/series/<id:pk>/publish/          events.change_series

GET    api/events/<id:pk>/form/             events.view_event events.change_event
PUT    api/events/<id:pk>/form/             events.change_event
GET    api/events/<id:pk>/form/schema/      events.view_event events.change_event
GET    api/events/<id:pk>/form/summary/     registrations.view_registration registrations.change_registration
GET    api/series/<id:pk>/form/             events.view_series events.change_series
PUT    api/series/<id:pk>/form/             events.change_series
GET    api/series/<id:pk>/form/schema/      events.view_series events.change_series

GET    api/events/<id:pk>/team/                           events.view_event events.change_event
POST   api/events/<id:pk>/team/                           events.change_event
PATCH  api/events/<id:pk>/team/<id:member_id>/            events.change_event
DELETE api/events/<id:pk>/team/<id:member_id>/            events.change_event
POST   api/events/<id:pk>/transfer/                       events.change_event
DELETE api/events/<id:pk>/transfer/                       events.change_event
GET    api/series/<id:pk>/team/                           events.view_series events.change_series
POST   api/series/<id:pk>/team/                           events.change_series
PATCH  api/series/<id:pk>/team/<id:member_id>/            events.change_series
DELETE api/series/<id:pk>/team/<id:member_id>/            events.change_series
POST   api/series/<id:pk>/transfer/                       events.change_series
DELETE api/series/<id:pk>/transfer/                       events.change_series

POST   api/categories/                      events.add_category
PUT    api/categories/<slug:slug>/          events.change_category
PATCH  api/categories/<slug:slug>/          events.change_category
DELETE api/categories/<slug:slug>/          events.delete_category

GET    api/events/<id:pk>/attendees/        registrations.view_registration registrations.change_registration
GET    api/events/<id:pk>/attendees/export/ registrations.view_registration registrations.change_registration
GET    api/events/<id:pk>/ledger/           registrations.view_registration registrations.change_registration
GET    api/events/<id:pk>/statistics/       registrations.view_registration registrations.change_registration
POST   api/events/<id:pk>/attendees/import/ registrations.add_registration
POST   api/events/<id:pk>/attendees/decide/ registrations.change_registration
GET    api/events/<id:pk>/codes/            registrations.view_registrationcode registrations.change_registrationcode
POST   api/events/<id:pk>/codes/            registrations.add_registrationcode
DELETE api/events/<id:pk>/codes/<id:code_pk>/ registrations.delete_registrationcode
POST   api/registrations/<uuid:pk>/approve/ registrations.change_registration
POST   api/registrations/<uuid:pk>/reject/  registrations.change_registration
POST   api/registrations/<uuid:pk>/reopen/  registrations.change_registration
POST   api/events/<id:pk>/check-in/         registrations.change_registration
POST   api/events/<id:pk>/check-in/undo/    registrations.change_registration
POST   api/events/<id:pk>/check-ins/bulk/   registrations.change_registration
GET    api/events/<id:pk>/door-list/        registrations.view_registration registrations.change_registration
GET    api/events/<id:pk>/door-links/       registrations.view_registration registrations.change_registration
POST   api/events/<id:pk>/door-links/       registrations.change_registration
DELETE api/events/<id:pk>/door-links/<id:link_id>/ registrations.change_registration
GET    api/registrations/<uuid:pk>/         registrations.view_registration registrations.change_registration
PATCH  api/registrations/<uuid:pk>/         registrations.change_registration
DELETE api/registrations/<uuid:pk>/         registrations.change_registration
POST   api/registrations/<uuid:pk>/resend/  registrations.change_registration
GET    api/registrations/<uuid:pk>/ticket.svg registrations.view_registration registrations.change_registration
GET    api/registrations/<uuid:pk>/ticket.png registrations.view_registration registrations.change_registration

GET    api/events/<id:pk>/messages/         registrations.view_message registrations.change_message
POST   api/events/<id:pk>/messages/         registrations.add_message
GET    api/messages/<id:pk>/                registrations.view_message registrations.change_message
"""  # noqa: E501  # a table

BARE, STAFF = ROLES.index("bare"), ROLES.index("staff")
REFUSALS = {"403", "404"}


def needed() -> dict[tuple[str, str], list[str]]:
    """Permissions by method and path."""
    rows = (text.split() for text in NEEDED.strip().splitlines() if text.strip())
    return {(method, path): permissions for method, path, *permissions in rows}


def lines_of_staff() -> list[Line]:
    """Where staff may do more than other accounts; without Sam's own account."""
    return [
        line
        for line in lines()
        if line.expected[BARE] != line.expected[STAFF] and line.row != "sam"
    ]


@pytest.fixture
def world(db) -> World:
    return make_world()


@pytest.fixture
def staff_with(world: World) -> Callable[..., APIClient]:
    """A client of a staff account that has exactly these permissions."""
    clients: dict[frozenset[str], APIClient] = {}

    def client_with(*permissions: str) -> APIClient:
        key = frozenset(permissions)
        if key not in clients:
            user = grant(UserFactory(is_staff=True), *permissions)
            client = clients[key] = APIClient(raise_request_exception=False)
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(user)['access']}")
        return clients[key]

    return client_with


def every_permission() -> set[str]:
    names = Permission.objects.values_list("content_type__app_label", "codename")
    return {f"{app_label}.{codename}" for app_label, codename in names}


def test_every_route_with_staff_rights_names_its_permission():
    assert {(line.method, line.path) for line in lines_of_staff()} == set(needed())


def test_each_permission_by_itself_is_enough(world, staff_with):
    rows, bodies, permissions = world.rows(), world.bodies(), needed()
    wrong = []

    for line in lines_of_staff():
        address = ROUTES[line.path].address(*rows[line.row])
        body = bodies.get(f"{line.method} {line.path}", {})
        for permission in permissions[line.method, line.path]:
            status = status_of(staff_with(permission), line.method, address, body)
            if status != line.expected[STAFF]:
                wrong.append((line.method, line.path, line.row, permission, status))

    assert wrong == []


def test_all_other_permissions_together_are_not_enough(world, staff_with):
    rows, bodies, permissions = world.rows(), world.bodies(), needed()
    everything = every_permission()
    wrong = []

    for line in lines_of_staff():
        if line.expected[STAFF] in REFUSALS:
            continue  # a superuser's account, which no staff may change
        address = ROUTES[line.path].address(*rows[line.row])
        body = bodies.get(f"{line.method} {line.path}", {})
        others = staff_with(*everything - set(permissions[line.method, line.path]))
        status = status_of(others, line.method, address, body)
        if status not in REFUSALS:
            wrong.append((line.method, line.path, line.row, status))

    assert wrong == []


def test_permissions_of_an_account_that_is_not_staff_are_void(world):
    people, rows, bodies = world.people, world.rows(), world.bodies()
    client = APIClient(raise_request_exception=False)
    people["max"].user_permissions.set(Permission.objects.all())
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(people['max'])['access']}")

    statuses = {
        (line.method, line.path, line.row): status_of(
            client,
            line.method,
            ROUTES[line.path].address(*rows[line.row]),
            bodies.get(f"{line.method} {line.path}", {}),
        )
        for line in lines_of_staff()
    }

    assert statuses == {
        (line.method, line.path, line.row): line.expected[BARE] for line in lines_of_staff()
    }


# --- the one function that decides ---


@pytest.mark.parametrize(
    ("flags", "permissions", "expected"),
    [
        ({}, [], False),
        ({}, ["events.view_event"], False),
        ({"is_staff": True}, [], False),
        ({"is_staff": True}, ["events.delete_event", "events.view_series"], False),
        ({"is_staff": True}, ["events.view_event"], True),
        ({"is_staff": True}, ["events.change_event"], True),
        ({"is_staff": True, "is_active": False}, ["events.view_event"], False),
        ({"is_superuser": True}, [], True),
        ({"is_superuser": True, "is_active": False}, [], False),
    ],
)
def test_a_right_needs_staff_and_its_permission(db, flags, permissions, expected):
    user = grant(UserFactory(**flags), *permissions)

    assert has_staff_right(user, "events.view_event") is expected


def test_right_without_a_permission_is_granted_to_nobody(db):
    assert has_staff_right(UserFactory(is_staff=True, is_superuser=True)) is False


def test_a_permission_of_a_group_counts(db, sam):
    group = sam.groups.create(name="Support")
    group.permissions.add(Permission.objects.get(codename="view_user"))

    assert has_staff_right(sam, "accounts.view_user") is True


def test_rights_of_others_than_staff_cost_no_query(max_, django_assert_num_queries):
    with django_assert_num_queries(0):
        for user in (AnonymousUser(), max_):
            assert has_staff_right(user, "events.view_event") is False
            assert rights_key(user) is None


def test_rights_of_staff_cost_two_queries_a_request(sam, django_assert_num_queries):
    grant(sam, "events.view_event")
    user = User.objects.get(pk=sam.pk)

    with django_assert_num_queries(2):
        assert has_staff_right(user, "events.view_event") is True
        assert has_staff_right(user, "events.delete_event") is False
        assert rights_key(user) == frozenset({"events.view_event"})


def test_only_superusers_outrank_staff(ana, sam):
    root = UserFactory(is_staff=True, is_superuser=True)

    assert (outranks(sam, ana), outranks(sam, sam), outranks(sam, root)) == (True, False, False)
    assert (outranks(root, sam), outranks(root, root)) == (True, True)


@pytest.mark.parametrize("is_superuser", [False, True])
def test_outranked_accounts_are_those_that_the_user_outranks(ana, sam, is_superuser):
    user = UserFactory(is_staff=True, is_superuser=is_superuser)

    rows = User.objects.filter(outranked_accounts(user))

    assert set(rows) == {account for account in User.objects.all() if outranks(user, account)}
    assert ana in rows
    assert (sam in rows) is is_superuser


def test_owner_changes_the_own_account_without_a_query(sam, django_assert_num_queries):
    user = User.objects.get(pk=sam.pk)

    with django_assert_num_queries(0):
        assert user.may_be_changed_by(user, "accounts.change_user") is True


# --- other modules ---

_FLAGS = {"is_staff", "is_superuser", "has_perm", "has_perms", "has_module_perms", "IsAdminUser"}
_MAY = {
    "config/api/staff_rights.py": {"is_staff", "is_superuser", "has_perm"},
    # The export of a person's data has the column.
    "registrations/privacy.py": {"is_staff"},
}


def flags_read(module: Path) -> set[str]:
    """Names of `_FLAGS` that the module reads or imports; columns named in strings are none."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            names.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
    return names & _FLAGS


def test_no_other_module_reads_staff_flags():
    base = Path(settings.BASE_DIR)
    modules = {
        str(path.relative_to(base)): path
        for app in ("config", "accounts", "events", "registrations")
        for path in (base / app).rglob("*.py")
        if not {"tests", "migrations"} & set(path.relative_to(base).parts)
    }

    readers = {name: flags_read(path) for name, path in modules.items()}

    assert len(modules) > 200
    assert {name: flags for name, flags in readers.items() if flags} == _MAY

"""The admin for staff with a single permission."""

import re

import pytest
from django.contrib import admin
from django.test import Client

from accounts.tests.factories import UserFactory, grant

from .access import World, make_world

# With these, staff read addresses of people.
OF_PEOPLE = [
    "accounts.view_auditentry",
    "accounts.view_notification",
    "accounts.view_user",
    "events.view_teammember",
    "registrations.view_registration",
]


@pytest.fixture
def world(db) -> World:
    return make_world()


def client_with(*permissions: str) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(grant(UserFactory(is_staff=True), *permissions))
    return client


def pages_from(client: Client) -> dict[str, tuple[int, str]]:
    """Status and HTML of every admin page that links lead to; without filters and orders."""
    todo, pages = ["/admin/"], {}
    while todo:
        address = todo.pop()
        if address not in pages:
            response = client.get(address)
            html = "" if response.streaming else response.content.decode()
            pages[address] = (response.status_code, html)
            todo += re.findall(r'href="(/admin/[^"?#]*)"', html)
    return pages


def viewable_models() -> list[str]:
    """Permissions to view what the admin shows."""
    models = [model._meta for model in admin.site._registry]
    return sorted(f"{meta.app_label}.view_{meta.model_name}" for meta in models)


@pytest.mark.parametrize("permission", viewable_models())
def test_no_page_fails_for_staff_who_may_only_view(world, permission):
    pages = pages_from(client_with(permission))

    failed = {address for address, (status, _) in pages.items() if status >= 500}
    assert failed == set()


def test_addresses_and_tickets_need_the_permissions_for_people(world, signed_in):
    ana, guest = world.people["ana"], world.registrations["guest's"]
    new_address = {"email": "ana@new.example.com"}
    signed_in(world.people["sam"]).patch(f"/api/users/{ana.pk}/", new_address)
    addresses = (ana.email, "ana@new.example.com", guest.email)

    html_by_permission = {
        permission: "".join(html for _, html in pages_from(client_with(permission)).values())
        for permission in viewable_models()
    }

    tells_addresses = [
        permission
        for permission, html in html_by_permission.items()
        if any(address in html for address in addresses)
    ]
    with_tickets = [
        permission for permission, html in html_by_permission.items() if guest.ticket_code in html
    ]
    assert tells_addresses == OF_PEOPLE
    assert with_tickets == ["registrations.view_registration"]

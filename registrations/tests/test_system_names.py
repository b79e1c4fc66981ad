"""Unique values that the system generates cannot be taken by users."""

import pytest

from accounts.models import User
from accounts.services import address_normalization, erase_account
from accounts.services.accounts import _create_user
from accounts.tests.factories import PASSWORD, UserFactory
from registrations import benchmark_data
from registrations.management.commands import prove_capacity
from registrations.models import Registration
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("taken", ["erased-{}", "Erased-{}"])
def test_account_is_erased_where_somebody_has_the_name_of_earlier_versions(
    ana, max_, signed_in, taken
):
    client = signed_in(ana)
    renamed = signed_in(max_).patch("/api/me/", {"username": taken.format(ana.pk)})

    response = client.delete("/api/me/", {"password": PASSWORD})

    ana.refresh_from_db()
    assert (renamed.status_code, response.status_code) == (200, 204)
    assert (ana.username, ana.email) == (f"erased:{ana.pk}", f"erased-{ana.pk}@invalid")


def make_erased_account() -> User:
    user = UserFactory()
    erase_account(user)
    return User.objects.get(pk=user.pk)


def make_colliding_account() -> User:
    user = UserFactory(username="erased:0")
    address_normalization._withdraw(User.objects.all(), user, {})
    return User.objects.get(pk=user.pk)


@pytest.mark.parametrize(
    "make",
    [
        make_erased_account,
        make_colliding_account,
        lambda: prove_capacity._open_event(1).organizer,
        lambda: User.objects.get(pk=benchmark_data._organizers()[0]),
    ],
)
def test_nobody_takes_generated_names_and_addresses(anyone, max_, signed_in, make):
    made = make()
    account = {"email": "new@example.com", "username": "new", "password": PASSWORD}

    refused = {
        "sign-up, name": anyone.post("/api/register/", {**account, "username": made.username}),
        "sign-up, address": anyone.post("/api/register/", {**account, "email": made.email}),
        "profile, name": signed_in(max_).patch("/api/me/", {"username": made.username}),
        "profile, address": signed_in(max_).patch("/api/me/", {"email": made.email}),
    }

    assert {
        where: [(error["field"], error["code"]) for error in response.json()["errors"]]
        for where, response in refused.items()
    } == {
        "sign-up, name": [("username", "invalid")],
        "sign-up, address": [("email", "invalid")],
        "profile, name": [("username", "invalid")],
        "profile, address": [("email", "invalid")],
    }


def test_nobody_registers_the_address_of_an_erased_registration(anyone, event):
    erased = registered(event)
    Registration.objects.filter(pk=erased.pk).erase_people()
    erased.refresh_from_db()

    response = anyone.post(
        f"/api/events/{event.pk}/register/", {"name": "Bob", "email": erased.email}
    )

    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [("email", "invalid")]


def test_name_generated_under_contention_may_be_sent_back(signed_in, monkeypatch):
    """Of two sign-ups that would be given one name at the same moment, one gets another."""
    UserFactory(username="obrien")
    monkeypatch.setattr(type(User.objects), "free_username", lambda *names: "obrien")
    user = _create_user("o'brien@example.com", PASSWORD, "")

    response = signed_in(user).patch("/api/me/", {"username": user.username})

    assert user.username.startswith("obrien-")
    assert response.status_code == 200

"""What the audit and the admin's history have of a team."""

import pytest
from django.test import Client
from django.utils import timezone

from accounts.audit import changes_of
from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from events.services.team import (
    accept_invitation,
    change_role,
    decline_invitation,
    invite,
    start_transfer,
)
from registrations.services.accounts import close_account

from .factories import SeriesFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def dora() -> User:
    return UserFactory(username="dora", email_verified_at=timezone.now())


@pytest.fixture
def root_client() -> Client:
    client = Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    return client


def history_of(client: Client, path: str) -> list[tuple[str, str]]:
    entries = client.get(f"/admin/events/{path}/history/").context["entries"]
    return [(entry.action, entry.details) for entry in entries]


def test_the_history_has_every_change_of_a_member(olga, dora, event, root_client):
    member = invite(event, email=dora.email, role="door", by=olga)
    accept_invitation(member, dora)
    change_role(event, member.pk, role="registrar", by=olga)
    other = invite(event, email="new@example.com", role="editor", by=olga)
    decline_invitation(other, other.email)

    of_member = history_of(root_client, f"teammember/{member.pk}")
    of_event = history_of(root_client, f"event/{event.pk}")
    page = root_client.get(f"/admin/events/teammember/{member.pk}/change/").content.decode()

    expected = ["role changed", "invitation accepted", "invited"]
    assert [action for action, _ in of_member] == expected
    assert "role: door → registrar" in of_member[0][1]
    assert f"user: — → {dora.pk}" in of_member[1][1]
    assert [action for action, _ in of_event] == ["invitation declined", "invited", *expected]
    assert "role: door → registrar" in page


def test_the_history_has_the_roles_of_accounts_that_ended(olga, dora, event):
    series = SeriesFactory(organizer=olga)
    for row in (event, series):
        accept_invitation(invite(row, email=dora.email, role="door", by=olga), dora)

    close_account(dora, password=PASSWORD)

    latest = [changes_of(row)[0] for row in (event, series)]
    assert [(entry.action, entry.before["user"]) for entry in latest] == [
        ("account ended", dora.pk)
    ] * 2


def test_a_transfer_that_another_one_replaces_is_in_the_history(olga, event):
    for email in ("one@example.com", "two@example.com", "two@example.com"):
        start_transfer(event, email=email, by=olga)

    actions = [entry.action for entry in changes_of(event)]
    assert actions == ["invited", "invited", "transfer withdrawn", "invited"]

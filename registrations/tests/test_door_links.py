"""Door links: who makes and withdraws them, and when they end."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.audit import changes_of
from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from conftest import NOW
from events.models import Event, TeamMember
from events.services import delete_event
from events.services.team import accept_invitation, change_role, invite, remove_member
from events.tests.factories import EventFactory
from registrations.models import DoorLink
from registrations.services import create_door_link, find_door_link, withdraw_door_link
from registrations.services.accounts import close_account

pytestmark = pytest.mark.django_db


def token_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/door/")


@pytest.fixture
def member(event, olga):
    """Makes an account a member of the event's team."""

    def join(user, role: str) -> TeamMember:
        invitation = invite(event, email=user.email, role=role, by=olga)
        User.objects.filter(pk=user.pk).update(email_verified_at=NOW)
        return accept_invitation(invitation, user)

    return join


def test_a_new_link_is_shown_once(clock, event, olga, signed_in, settings):
    client, path = signed_in(olga), f"/api/events/{event.pk}/door-links/"

    response = client.post(path, {"name": "Main entrance"})

    link = DoorLink.objects.get()
    created = response.json()
    assert response.status_code == 201
    assert created.pop("url").startswith(f"{settings.PUBLIC_URL}/door/")
    assert created == {
        "id": link.pk,
        "name": "Main entrance",
        "created_by": {"id": olga.pk, "username": "olga"},
        "created_at": "2027-01-15T12:00:00Z",
        "expires_at": (event.end_time + timedelta(days=1)).isoformat().replace("+00:00", "Z"),
        "last_used_at": None,
    }
    assert response["Location"].endswith(f"{path}{link.pk}/")
    assert client.get(path).json()["results"] == [created]


def test_the_name_is_optional(event, olga, signed_in):
    response = signed_in(olga).post(f"/api/events/{event.pk}/door-links/")

    assert (response.status_code, response.json()["name"]) == (201, "")


def test_the_token_is_not_stored(event, olga):
    link, url = create_door_link(event, name="", by=olga)

    stored = DoorLink.objects.filter(pk=link.pk).values().get()
    assert token_of(url) not in str(stored)
    assert find_door_link(token_of(url)) == link


def test_a_withdrawn_link_ends_at_once(event, olga, signed_in):
    link, url = create_door_link(event, name="", by=olga)
    client, path = signed_in(olga), f"/api/events/{event.pk}/door-links/{link.pk}/"

    first, second = client.delete(path), client.delete(path)

    assert [first.status_code, second.status_code] == [204, 404]
    assert find_door_link(token_of(url)) is None
    assert client.get(f"/api/events/{event.pk}/door-links/").json()["results"] == []


def test_a_link_of_another_event_is_not_withdrawn(event, olga, signed_in, max_):
    other = EventFactory(organizer=max_)
    link, url = create_door_link(other, name="", by=max_)

    response = signed_in(olga).delete(f"/api/events/{event.pk}/door-links/{link.pk}/")

    assert response.status_code == 404
    assert find_door_link(token_of(url)) == link


def test_a_link_ends_a_day_after_the_event_wherever_that_is_moved(clock, event, olga):
    _, url = create_door_link(event, name="", by=olga)
    token = token_of(url)

    clock.move_to(event.end_time + timedelta(hours=23, minutes=59))
    before = find_door_link(token)
    clock.move_to(event.end_time + timedelta(days=1))
    after = find_door_link(token)
    Event.objects.filter(pk=event.pk).update(end_time=event.end_time + timedelta(hours=1))
    moved = find_door_link(token)

    assert [before is None, after is None, moved is None] == [False, True, False]


def test_a_link_ends_with_the_event(event, olga):
    _, url = create_door_link(event, name="", by=olga)

    delete_event(event)

    assert find_door_link(token_of(url)) is None


@pytest.mark.parametrize("role", ["door", "editor"])
def test_a_link_ends_with_the_rights_of_its_maker(event, olga, max_, member, role):
    membership = member(max_, "registrar")
    max_.refresh_from_db()
    _, url = create_door_link(event, name="", by=max_)
    before = find_door_link(token_of(url))

    change_role(event, membership.pk, role=role, by=olga)

    assert before is not None
    assert find_door_link(token_of(url)) is None


def test_a_link_ends_with_the_membership_of_its_maker(event, olga, max_, member):
    membership = member(max_, "manager")
    max_.refresh_from_db()
    _, url = create_door_link(event, name="", by=max_)

    remove_member(event, membership.pk, by=olga)

    assert find_door_link(token_of(url)) is None


def test_a_link_ends_with_the_account_of_its_maker(event, olga, member):
    leaver = UserFactory(username="lea")
    member(leaver, "registrar")
    leaver.refresh_from_db()
    link, url = create_door_link(event, name="Lea's phone", by=leaver)

    close_account(leaver, password=PASSWORD)

    link.refresh_from_db()
    assert find_door_link(token_of(url)) is None
    assert (link.name, link.withdrawn_at is not None) == ("", True)


def test_staff_make_links(event, sam, signed_in):
    sam.is_superuser = True
    sam.save(update_fields=["is_superuser"])

    response = signed_in(sam).post(f"/api/events/{event.pk}/door-links/", {"name": "Back"})

    assert response.status_code == 201
    assert find_door_link(token_of(response.json()["url"])) is not None


def test_making_and_withdrawing_are_audited(event, olga, signed_in):
    client, path = signed_in(olga), f"/api/events/{event.pk}/door-links/"
    link_id = client.post(path, {"name": "Main"}).json()["id"]

    client.delete(f"{path}{link_id}/")

    entries = changes_of(DoorLink.objects.get())
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        ("withdrawn", olga.pk),
        ("created", olga.pk),
    ]


def test_the_list_has_a_fixed_number_of_queries(event, olga, signed_in):
    client, path = signed_in(olga), f"/api/events/{event.pk}/door-links/"
    create_door_link(event, name="", by=olga)
    client.get(path)
    with CaptureQueriesContext(connection) as one:
        client.get(path)
    for _ in range(2):
        create_door_link(event, name="", by=olga)

    with CaptureQueriesContext(connection) as three:
        client.get(path)

    assert len(three) == len(one)


def test_the_use_of_a_link_is_recorded_to_the_minute(clock, event, olga):
    link, url = create_door_link(event, name="", by=olga)
    address = urlsplit(url).path
    times = []

    for seconds in (0, 59, 2):
        clock.shift(timedelta(seconds=seconds))
        Client().get(address)
        link.refresh_from_db()
        times.append(link.last_used_at)

    start = times[0]
    assert times == [start, start, start + timedelta(seconds=61)]


@pytest.mark.django_db(transaction=True)
def test_links_are_withdrawn_without_a_surrounding_transaction(event, olga):
    link, url = create_door_link(event, name="", by=olga)

    withdraw_door_link(link)

    assert find_door_link(token_of(url)) is None

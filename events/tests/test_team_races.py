"""Changes of a team at the same time, each with its own database connection."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiKey, User
from accounts.tests.factories import PASSWORD, UserFactory, key_client
from accounts.tokens import open_session
from events.models import Event, TeamMember
from events.services.team import invite, start_transfer
from registrations.tests.concurrency import at_once

from .factories import EventFactory, with_role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]


def client_of(user: User) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(user)['access']}")
    return client


def sending(user: User, method: str, url: str, body: Any = None) -> Callable[[], int]:
    client = client_of(User.objects.get(pk=user.pk))
    return lambda: getattr(client, method)(url, body or {}).status_code


@pytest.fixture
def event() -> Event:
    return EventFactory(organizer=UserFactory(username="olga"))


@pytest.fixture
def dora() -> User:
    return UserFactory(username="dora", email_verified_at=timezone.now())


@pytest.mark.parametrize("_round", range(3))
def test_manager_who_is_demoted_invites_before_that_or_not_at_all(_round, event, dora):
    with_role(dora, "manager", event)
    url = f"/api/events/{event.pk}/team/"
    demote = sending(
        event.organizer, "patch", f"{url}{TeamMember.objects.get().pk}/", {"role": "door"}
    )
    bob = {"email": "bob@example.com", "role": "door"}

    codes = at_once(demote, sending(dora, "post", url, bob))

    assert codes in ([200, 201], [200, 403])
    assert TeamMember.objects.filter(email="bob@example.com").exists() is (codes[1] == 201)
    assert TeamMember.objects.get(user=dora).role == "door"


@pytest.mark.parametrize("_round", range(3))
def test_member_who_is_promoted_while_leaving_has_left(_round, event, dora):
    with_role(dora, "door", event)
    url = f"/api/events/{event.pk}/team/{TeamMember.objects.get().pk}/"

    codes = at_once(
        sending(event.organizer, "patch", url, {"role": "manager"}), sending(dora, "delete", url)
    )

    assert codes in ([200, 204], [404, 204])
    assert not TeamMember.objects.exists()


@pytest.mark.parametrize("_round", range(3))
def test_event_of_an_account_that_ends_during_a_transfer_has_an_owner(_round, event, dora):
    olga = event.organizer
    offer = start_transfer(event, email=dora.email, by=olga)
    accept = sending(dora, "post", f"/api/me/invitations/{offer.pk}/accept/")

    accepted, deleted = at_once(accept, sending(olga, "delete", "/api/me/", {"password": PASSWORD}))

    assert (accepted, deleted) in [(200, 204), (200, 409)]
    event.refresh_from_db()
    assert event.organizer == dora
    managers = TeamMember.objects.filter(user=olga, role="manager")
    assert managers.count() == (0 if deleted == 204 else 1)


@pytest.mark.parametrize("days", [30, -30])
def test_owner_who_transfers_while_the_account_ends_leaves_one_owner(event, dora, days):
    olga, start = event.organizer, timezone.now() + timedelta(days=days)
    Event.objects.update(start_time=start, end_time=start + timedelta(hours=2))
    offer = sending(olga, "post", f"/api/events/{event.pk}/transfer/", {"email": dora.email})

    offered, deleted = at_once(offer, sending(olga, "delete", "/api/me/", {"password": PASSWORD}))

    assert (offered, deleted) in ([(202, 409)] if days > 0 else [(202, 204), (401, 204)])
    for invitation in TeamMember.objects.all():
        accepting = sending(dora, "post", f"/api/me/invitations/{invitation.pk}/accept/")
        assert accepting() == 200
    event.refresh_from_db()
    assert event.organizer == (dora if offered == 202 else olga)
    assert TeamMember.objects.filter(user=olga).exists() is (deleted == 409)


@pytest.mark.parametrize("_round", range(3))
def test_invitation_that_is_accepted_twice_at_once_is_one_role(_round, event, dora):
    invitation = invite(event, email=dora.email, role="editor", by=event.organizer)
    url = f"/api/me/invitations/{invitation.pk}/accept/"

    assert at_once(sending(dora, "post", url), sending(dora, "post", url)) == [200, 200]
    assert TeamMember.objects.get().user == dora


@pytest.mark.parametrize("_round", range(3))
def test_transfer_that_is_accepted_twice_at_once_has_one_owner(_round, event, dora):
    offer = start_transfer(event, email=dora.email, by=event.organizer)
    url = f"/api/me/invitations/{offer.pk}/accept/"

    codes = at_once(sending(dora, "post", url), sending(dora, "post", url))

    assert Counter(codes)[200] == 1
    event.refresh_from_db()
    assert event.organizer == dora
    assert TeamMember.objects.get().role == "manager"


@pytest.mark.parametrize("_round", range(2))
def test_requests_of_one_key_at_once_all_work_and_record_one_use(_round, event):
    clients = [key_client(event.organizer)]
    clients.append(APIClient(raise_request_exception=False))
    clients[1].credentials(**clients[0]._credentials)

    codes = at_once(
        *(lambda client=client: client.get("/api/key/").status_code for client in clients)
    )

    assert codes == [200, 200]
    assert ApiKey.objects.get().last_used_at is not None

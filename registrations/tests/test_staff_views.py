"""What staff see of an event by their right to view or change its registrations."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import UserFactory, grant
from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.tests.factories import registered
from registrations.tickets import manage_token

pytestmark = pytest.mark.django_db

MEETING = "https://meet.example.com/x"


@pytest.fixture
def event(olga) -> Event:
    return EventFactory(organizer=olga, meeting_url=MEETING)


@pytest.fixture
def bob(event) -> Registration:
    return registered(event)


def meeting_urls(client: APIClient, row: Registration, token: str = "") -> set[str | None]:
    """The values in the responses of all routes that have the registration."""
    path, code = f"/api/events/{row.event_id}", {"ticket_code": row.ticket_code}
    single = client.get(f"/api/registrations/{row.pk}/?token={token}").json()
    listed = client.get(f"{path}/attendees/").json()["results"]
    door = [client.post(f"{path}/check-in/{end}", code).json() for end in ("", "undo/")]
    bodies = [single, *listed, *(scan["registration"] for scan in door)]
    return {body["meeting_url"] for body in bodies}


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        (["registrations.change_registration"], {None}),
        (["registrations.change_registration", "events.view_event"], {MEETING}),
    ],
)
def test_meeting_url_is_for_staff_who_may_view_the_event(bob, signed_in, permissions, expected):
    staff = grant(UserFactory(is_staff=True), *permissions)

    assert meeting_urls(signed_in(staff), bob) == expected


def test_organizer_sees_the_meeting_url(olga, bob, signed_in):
    assert meeting_urls(signed_in(olga), bob) == {MEETING}


@pytest.mark.parametrize("is_own", [True, False])
def test_staff_see_the_meeting_url_of_their_own_registration(
    sam: User, event, bob, signed_in: Callable[[User], APIClient], is_own
):
    staff = grant(sam, "registrations.view_registration")
    row = registered(event, email=sam.email, user=sam) if is_own else bob
    token = "" if is_own else manage_token(row.pk, row.link_version)

    body = signed_in(staff).get(f"/api/registrations/{row.pk}/?token={token}").json()

    assert body["meeting_url"] == MEETING

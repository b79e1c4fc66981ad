"""A registration with the address of an account gives the registering caller no access to it."""

import json

import pytest

from accounts.models import User
from accounts.services import confirm_email
from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import LedgerEntry, Registration
from registrations.services.accounts import settle_accounts
from registrations.tests.factories import registered, registered_silently
from registrations.tests.mails import due_mails
from registrations.tickets import manage_link, manage_token

pytestmark = pytest.mark.django_db

MEETING = "https://meet.example.com/x"
METHODS = ("get", "patch", "delete")


@pytest.fixture
def event(olga) -> Event:
    return EventFactory(organizer=olga, meeting_url=MEETING, max_capacity=1, waitlist_enabled=True)


@pytest.fixture
def confirmed_ana(ana) -> User:
    return confirm_email(ana, by_owner=True)


def register(client, event: Event, email: str, **headers: str):
    body = {"name": "Ana", "email": email}
    return client.post(f"/api/events/{event.pk}/register/", body, headers=headers)


def path_of(made: dict, token: str) -> str:
    return f"/api/registrations/{made['id']}/?token={token}"


def assert_shut(client, made: dict, token: str = "") -> None:
    """The client gets 404 for every method."""
    path = path_of(made, token)
    statuses = [getattr(client, method)(path).status_code for method in METHODS]
    statuses += [
        client.get(path.replace("/?", "/ticket.svg?")).status_code,
        client.post(path.replace("/?", "/resend/?")).status_code,
    ]
    assert statuses == [404] * 5


def test_guest_whose_address_no_account_has_gets_ticket_and_token(anyone, ana, event):
    """An account that has not confirmed the address is none."""
    made = register(anyone, event, ana.email).json()

    read = anyone.get(path_of(made, made["manage_token"])).json()

    assert made["meeting_url"] == MEETING
    assert made["ticket_code"] == Registration.objects.get().ticket_code
    assert read["ticket_code"] == made["ticket_code"]


@pytest.mark.parametrize("is_plain", [True, False])
def test_stranger_has_no_part_in_a_registration_of_an_account(
    anyone, confirmed_ana, event, is_plain
):
    """By the fast path and by the view."""
    email = "ana@example.com" if is_plain else " ANA@example.com"
    text = json.dumps({"name": "Ana", "email": email})

    response = anyone.post(
        f"/api/events/{event.pk}/register/", text, content_type="application/json"
    )

    made, row = response.json(), Registration.objects.get()
    assert response.status_code == 201
    assert (made["status"], made["ticket_code"], made["meeting_url"]) == ("confirmed", "", None)
    assert row.ticket_code not in response.content.decode()
    assert (row.user, row.registered_by) == (confirmed_ana, None)
    assert made["manage_token"] != manage_token(row.pk, row.link_version)
    assert_shut(anyone, made, made["manage_token"])


def test_queue_shows_a_stranger_no_more(anyone, confirmed_ana, event):
    registered(event)

    made = register(anyone, event, confirmed_ana.email).json()

    assert (made["status"], made["waitlist_position"], made["ticket_code"]) == ("waitlisted", 1, "")
    assert_shut(anyone, made, made["manage_token"])


def test_owner_of_the_address_gets_ticket_and_link_by_mail(anyone, confirmed_ana, event, signed_in):
    made = register(anyone, event, confirmed_ana.email).json()

    [mail] = due_mails()
    row = Registration.objects.get()
    assert (mail.to, mail.has_ticket) == (confirmed_ana.email, True)
    assert row.ticket_code in mail.text
    assert MEETING in mail.text
    assert manage_link(row.pk, row.link_version) in mail.text
    assert anyone.get(manage_link(row.pk, row.link_version)).status_code == 200
    body = signed_in(confirmed_ana).get(f"/api/registrations/{made['id']}/").json()
    assert (body["ticket_code"], body["meeting_url"]) == (row.ticket_code, MEETING)


def test_account_that_registers_another_ones_address_has_no_part_in_it(
    confirmed_ana, max_, event, signed_in
):
    client = signed_in(max_)

    made = register(client, event, confirmed_ana.email).json()

    assert (made["ticket_code"], made["meeting_url"]) == ("", None)
    assert_shut(client, made)
    assert client.get("/api/me/registrations/").json()["results"] == []
    assert LedgerEntry.objects.get().actor == max_


def test_own_registration_shows_its_ticket_and_no_token(confirmed_ana, event, signed_in):
    made = register(signed_in(confirmed_ana), event, confirmed_ana.email).json()

    assert made["ticket_code"] == Registration.objects.get().ticket_code
    assert made["meeting_url"] == MEETING
    assert "manage_token" not in made


def test_replayed_response_shows_no_ticket_either(anyone, confirmed_ana, event):
    first = register(anyone, event, confirmed_ana.email, **{"Idempotency-Key": "k"})

    again = register(anyone, event, confirmed_ana.email, **{"Idempotency-Key": "k"})

    assert again["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    assert again.json()["ticket_code"] == ""


@pytest.mark.parametrize("joins", ["by the confirmation", "by the task that settles races"])
def test_token_of_a_guest_ends_when_the_registration_joins_an_account(
    anyone, ana, max_, event, signed_in, joins
):
    other = EventFactory()
    of_guest = register(anyone, event, ana.email).json()
    of_max = register(signed_in(max_), other, ana.email).json()

    if joins == "by the confirmation":
        confirm_email(ana)
    else:
        User.objects.filter(pk=ana.pk).update(email_verified_at=event.created_at)
        settle_accounts()

    for client, made in ((anyone, of_guest), (anyone, of_max), (signed_in(max_), of_max)):
        assert_shut(client, made, made["manage_token"])
    body = signed_in(ana).get(f"/api/registrations/{of_guest['id']}/").json()
    assert body["ticket_code"] == of_guest["ticket_code"]


def test_mail_that_is_written_after_the_join_has_a_link_that_works(anyone, ana, event):
    registered(event, email=ana.email)

    confirm_email(ana)

    [mail] = [mail for mail in due_mails() if mail.kind == "registration_confirmed"]
    row = Registration.objects.get()
    assert row.link_version == 1
    assert manage_link(row.pk, 1) in mail.text
    assert anyone.get(manage_link(row.pk, 1)).status_code == 200


def test_registration_that_was_loaded_knows_its_owner(confirmed_ana, max_, event):
    made = registered_silently(event, email=confirmed_ana.email, registered_by=max_)

    row = Registration.objects.get()
    assert (made.user_id, made.registered_by_id, made.link_version) == (confirmed_ana.pk, None, 1)
    assert (row.user_id, row.registered_by_id, row.link_version) == (confirmed_ana.pk, None, 1)

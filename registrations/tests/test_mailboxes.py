"""Registrations: every spelling of a mailbox is the same person."""

import csv
import io
import json

import pytest

from accounts.models import Notification, User
from accounts.services import confirm_email
from accounts.tests.factories import UserFactory
from conftest import NOW
from events.calendars.writing import invitation
from registrations.models import Registration
from registrations.serializers import parse_simple_guest
from registrations.tests.factories import registered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

COMPOSED, DECOMPOSED = "ann@müller.example", "ann@mu\u0308ller.example"
A_LABEL = "Ann@xn--mller-kva.example"
SPELLINGS = [COMPOSED, DECOMPOSED, A_LABEL, " ANN@müller.example. "]


def register(client, event, email: str):
    return client.post(f"/api/events/{event.pk}/register/", {"name": "Ann", "email": email})


@pytest.mark.parametrize("first", SPELLINGS)
def test_a_mailbox_takes_one_seat(anyone, event, first):
    response = register(anyone, event, first)
    again = [register(anyone, event, email) for email in SPELLINGS]

    assert response.status_code == 201
    assert response.json()["email"] == COMPOSED
    assert {(each.status_code, each.json()["code"]) for each in again} == {
        (409, "already_registered")
    }
    assert Registration.objects.count() == 1


@pytest.mark.parametrize("character", ["\u200b", "\u00ad", "\u2060", "\u202e"])
def test_invisible_characters_take_no_seat(anyone, event, character):
    response = register(anyone, event, f"ann@exam{character}ple.com")

    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert (error["field"], error["code"]) == ("email", "invalid")
    assert error["detail"] == f"Remove the invisible character U+{ord(character):04X}."
    assert not Registration.objects.exists()


def test_similar_domains_are_different_mailboxes(anyone, event):
    statuses = [
        register(anyone, event, f"x@{name}.example").status_code for name in ("faß", "fass")
    ]

    assert statuses == [201, 201]


@pytest.mark.parametrize(
    "email",
    ["ann@xn--a.example", "ann@xn--mller-kva.example", f"{'a' * 65}@example.com", "Ann@a.de"],
)
def test_the_fast_path_leaves_other_spellings_to_the_view(email):
    assert parse_simple_guest(f'{{"name": "Ann", "email": "{email}"}}'.encode()) is None


def test_a_guest_in_another_spelling_belongs_to_the_confirmed_account(anyone, event):
    user = UserFactory(email=COMPOSED)
    confirm_email(user)

    register(anyone, event, A_LABEL)

    assert Registration.objects.get().user == user


def test_registrations_of_a_guest_join_the_account_of_the_mailbox(anyone, event):
    register(anyone, event, A_LABEL)
    user = UserFactory(email=DECOMPOSED)

    confirm_email(user)

    assert Registration.objects.get().user == user


def test_an_account_registers_itself_by_any_spelling(event, signed_in):
    user = UserFactory(email=COMPOSED)

    register(signed_in(user), event, A_LABEL)

    assert Registration.objects.get().user == user


def test_an_import_reads_any_spelling(event, olga, signed_in):
    registered(event, email=COMPOSED)
    rows = (
        f"name,email\r\nAnn,{A_LABEL}\r\nBea,bea@mu\u0308ller.example\r\nC,c@exa\u200bmple.com\r\n"
    )

    response = signed_in(olga).generic(
        "POST",
        f"/api/events/{event.pk}/attendees/import/?partial=true",
        rows.encode(),
        content_type="text/csv",
    )

    outcomes = [(row["outcome"], row["email"]) for row in response.json()["rows"]]
    assert outcomes[:2] == [("already_registered", COMPOSED), ("confirmed", "bea@müller.example")]
    assert outcomes[2][0] == "refused"


@pytest.mark.parametrize("search", [COMPOSED, DECOMPOSED, A_LABEL, "ann@müller"])
def test_attendee_search_matches_any_spelling_of_an_address(event, olga, signed_in, search):
    registered(event, email=COMPOSED)
    registered(event)

    response = signed_in(olga).get(f"/api/events/{event.pk}/attendees/", {"search": search})

    assert [row["email"] for row in response.json()["results"]] == [COMPOSED]


def test_exports_show_the_domain_as_people_write_it(anyone, event, olga, signed_in):
    register(anyone, event, A_LABEL)

    response = signed_in(olga).get(f"/api/events/{event.pk}/attendees/export/")

    text = b"".join(response.streaming_content).decode()
    assert [row["email"] for row in csv.DictReader(io.StringIO(text))] == [COMPOSED]


def test_the_privacy_export_has_notifications_to_the_mailbox(anyone, event, signed_in):
    register(anyone, event, A_LABEL)
    user = UserFactory(email=COMPOSED, email_verified_at=NOW)
    Notification.objects.create(kind="x", key="guest", email=DECOMPOSED)

    response = signed_in(user).get("/api/me/export/")

    exported = json.loads(b"".join(response.streaming_content))
    assert {row["email"] for row in exported["notifications"]} == {COMPOSED}
    assert exported["opt_outs"] == []


def test_an_invitation_names_the_domain_as_the_dns_has_it(event):
    content = invitation(
        event,
        method="REQUEST",
        attendee_name="Ann",
        attendee_email=COMPOSED,
        sender="Events <events@faß.example>",
        sent_at=NOW,
        public_url="http://localhost:8000",
    )

    text = content.replace(b"\r\n ", b"").decode()
    assert "mailto:ann@xn--mller-kva.example" in text
    assert "mailto:events@xn--fa-hia.example" in text


def test_the_user_name_comes_from_the_local_part(anyone):
    anyone.post("/api/register/", {"email": A_LABEL, "password": "correct-horse-battery-9"})

    assert User.objects.get().username == "ann"

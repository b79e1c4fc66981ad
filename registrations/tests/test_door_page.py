"""The check-in page behind a door link: its forms, and the routes of its scripts."""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.utils import timezone

from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import LedgerEntry, Registration, Scan
from registrations.services import cancel_registration, create_door_link, withdraw_door_link
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

PERSON = "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10"
# Of the release on npm, so that nobody changes the copy by accident.
JSQR_SHA256 = "bc40c8a15196236b2314db0856f72ca0b49980cd5413b8c852a7349f5fee0859"


@pytest.fixture
def event(olga):
    return EventFactory(organizer=olga, max_party_size=6, max_capacity=20)


@pytest.fixture
def address(event, olga) -> str:
    """The path of the page."""
    _, url = create_door_link(event, name="Main entrance", by=olga)
    return urlsplit(url).path


@pytest.fixture
def guest() -> Client:
    return Client()


def admitted(registration: Registration) -> int:
    registration.refresh_from_db()
    return registration.admitted_count


def result_of(response) -> str:
    """The text of the result, in one line."""
    [section] = re.findall(
        r'<section id="result".*?</section>', response.content.decode(), re.DOTALL
    )
    return " ".join(re.sub(r"<[^>]+>", " ", section).split())


def post_scans(guest, address, *scans):
    body = {"check_ins": list(scans)}
    return guest.post(f"{address}/scans", body, content_type="application/json")


# --- forms ---


def test_a_typed_code_checks_in(clock, guest, address, event):
    ann = registered(event, name="Ann Lee")

    response = guest.post(address, {"ticket_code": f" {ann.ticket_code.lower()} ", "nonce": "a"})

    assert response.status_code == 200
    assert result_of(response).startswith("✓ Ann Lee Welcome!")
    assert '<strong><span id="admitted">1</span></strong>' in response.content.decode()
    assert admitted(ann) == 1


def test_a_second_scan_says_since_when(clock, guest, address, event):
    ann = registered(event, name="Ann Lee")
    guest.post(address, {"ticket_code": ann.ticket_code, "nonce": "a"})

    response = guest.post(address, {"ticket_code": ann.ticket_code, "nonce": "b"})

    since = ann.registered_at.astimezone(event.zone).strftime("%H:%M")
    assert result_of(response).startswith(f"! Ann Lee Already in since {since}.")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("NONSENSE", "No registration has this ticket code."),
        ("X" * 65, "64 characters"),
        ("", "Type the code of a ticket, or choose a name."),
        ("\u202e", ""),
    ],
)
def test_a_wrong_code_is_explained(guest, address, code, text):
    response = guest.post(address, {"ticket_code": code, "nonce": "a"})

    assert response.status_code == 400
    assert result_of(response).startswith("✕ Not checked in")
    assert text in result_of(response)


def test_a_person_without_a_seat_is_refused(guest, address, event):
    ann = registered(event, name="Ann Lee")
    cancel_registration(ann)

    response = guest.post(address, {"ticket_code": ann.ticket_code, "nonce": "a"})

    assert result_of(response) == "✕ Not checked in The registration was cancelled."


def test_people_are_searched_by_name_and_not_by_address(guest, address, event):
    registered(event, name="Zoë O'Brien", email="secret@example.com")
    registered(event, name="Bob")

    by_name = guest.get(address, {"q": "obrien zoe"}).content.decode()
    by_address = guest.get(address, {"q": "secret"}).content.decode()

    assert "Zoë O&#x27;Brien" in by_name
    assert "Bob" not in by_name
    assert "Nobody of that name has registered." in by_address


@pytest.mark.parametrize(("text", "status"), [("\x00", 400), ("%_\\", 200), ("a " * 5000, 200)])
def test_any_text_may_be_searched_for(guest, address, event, text, status):
    registered(event, name="Ann")

    response = guest.get(address, {"q": text})

    assert response.status_code == status


def test_a_person_is_checked_in_by_name_and_undone(guest, address, event):
    ann = registered(event, name="Ann Lee")
    person = {"registration": str(ann.pk)}

    response = guest.post(address, {**person, "nonce": "a"})
    counted = admitted(ann)
    undone = guest.post(address, {**person, "nonce": "b", "undo": "true"})

    assert result_of(response).startswith("✓ Ann Lee Welcome!")
    assert result_of(undone).startswith("↩ Ann Lee The check-in is undone.")
    assert [counted, admitted(ann)] == [1, 0]


def test_a_check_in_that_was_undone_later_lets_nobody_in(clock, guest, address, event):
    ann = registered(event, name="Ann Lee")
    person = {"registration": str(ann.pk)}
    before = timezone.now().isoformat()
    clock.shift(600)
    guest.post(address, {**person, "nonce": "a"})
    guest.post(address, {**person, "nonce": "b", "undo": "true"})

    late = guest.post(address, {**person, "nonce": "c", "at": before})

    assert result_of(late).startswith("↩ Ann Lee The check-in was undone meanwhile.")
    assert admitted(ann) == 0


def test_part_of_a_party_comes_in(guest, address, event):
    ann = registered(event, name="Ann Lee", party_size=4)
    person = {"registration": str(ann.pk)}

    first = guest.post(address, {**person, "nonce": "a", "count": "3"})
    too_many = guest.post(address, {**person, "nonce": "b", "count": "2"})
    rest = guest.post(address, {**person, "nonce": "c"})

    assert "Welcome! 3 of 4 are in." in result_of(first)
    assert "Fewer people of the party are left" in result_of(too_many)
    assert "Welcome! 4 of 4 are in." in result_of(rest)


def test_a_repeated_form_changes_nothing(guest, address, event):
    ann = registered(event, name="Ann Lee", party_size=4)
    form = {"registration": str(ann.pk), "nonce": "a", "count": "2"}

    guest.post(address, form)
    response = guest.post(address, form)

    assert "Welcome! 2 of 4 are in." in result_of(response)
    assert admitted(ann) == 2


def test_a_person_of_another_event_is_unknown(guest, address, olga):
    stranger = registered(EventFactory(organizer=olga), name="Max Stranger")

    response = guest.post(address, {"registration": str(stranger.pk), "nonce": "a"})

    assert "This person is not on the list of the event." in result_of(response)
    assert "Max Stranger" not in response.content.decode()


# --- scripts ---


def test_scans_are_sent_together_and_several_times(clock, guest, address, event, olga):
    ann, bob = registered(event, name="Ann"), registered(event, name="Bob", party_size=3)
    at = "2027-01-15T11:59:30Z"
    scans = [
        {"ticket_code": ann.ticket_code, "at": at, "nonce": "1"},
        {"registration": str(bob.pk), "count": 2, "nonce": "2"},
        {"ticket_code": "NONSENSE", "nonce": "3"},
    ]

    first, second = post_scans(guest, address, *scans), post_scans(guest, address, *scans)

    results = first.json()["results"]
    assert [result["status"] for result in results] == [200, 200, 404]
    assert results[1]["registration"] == {
        "id": str(bob.pk),
        "name": "Bob",
        "status": "confirmed",
        "party_size": 3,
        "admitted_count": 2,
        "checked_in_at": "2027-01-15T12:00:00Z",
    }
    assert second.json() == first.json()
    assert [admitted(ann), admitted(bob)] == [1, 2]


def test_scans_name_the_link_and_its_maker(guest, address, event, olga):
    ann = registered(event, name="Ann")

    post_scans(guest, address, {"ticket_code": ann.ticket_code, "nonce": "1"})

    scan, entry = Scan.objects.get(), LedgerEntry.objects.filter(kind="checked_in").get()
    assert (scan.by, scan.door_link.name) == (olga, "Main entrance")
    assert (entry.actor, entry.reason) == (olga, "by_organizer")


@pytest.mark.parametrize(
    "body",
    [
        "nonsense",
        "[]",
        "{}",
        '{"check_ins": []}',
        '{"check_ins": [{"nonce": "1"}]}',
        '{"check_ins": [{"ticket_code": "A", "registration": "' + PERSON + '"}]}',
        '{"check_ins": [{"registration": 7}]}',
        '{"check_ins": [{"registration": -7}]}',
        '{"check_ins": [{"ticket_code": "A", "at": "soon"}]}',
        '{"check_ins": [{"ticket_code": "\\u0000"}]}',
        '{"check_ins": "' + "A" * 100 + '"}',
        "[" * 100_000,
    ],
)
def test_scans_that_cannot_be_read_are_refused(guest, address, body):
    response = guest.post(f"{address}/scans", body, content_type="application/json")

    assert response.status_code in {200, 400}
    if response.status_code == 200:
        assert response.json()["results"][0]["status"] == 404
    else:
        assert response.json()["code"] in {"malformed_request", "validation_error"}


def test_scans_are_only_posted(guest, address):
    assert guest.get(f"{address}/scans").status_code == 405


def test_the_list_has_digests_and_no_addresses(guest, address, event):
    ann = registered(event, name="Ann", email="ann@example.com")

    response = guest.get(f"{address}/list")
    again = guest.get(f"{address}/list", HTTP_IF_NONE_MATCH=response["ETag"])

    [person] = response.json()["results"]
    assert person["ticket_sha256"] == hashlib.sha256(ann.ticket_code.encode()).hexdigest()
    assert "ann@example.com" not in response.content.decode()
    assert ann.ticket_code not in response.content.decode()
    assert (again.status_code, again.content) == (304, b"")


def test_the_list_does_not_open_an_unlisted_event(guest, address, event):
    shown = guest.get(f"{address}/list").json()["event"]["page_url"]
    Event.objects.filter(pk=event.pk).update(visibility="unlisted")

    hidden = guest.get(f"{address}/list").json()["event"]["page_url"]

    assert shown is not None
    assert hidden is None


def test_the_printed_list_has_names_and_no_addresses(guest, address, event):
    registered(event, name="Ann", email="ann@example.com", party_size=2)

    text = guest.get(f"{address}/print").content.decode()

    assert "<td>Ann</td><td>2</td>" in text
    assert "ann@example.com" not in text


# --- protection ---


@pytest.mark.parametrize("suffix", ["", "/list", "/scans", "/print"])
def test_an_ended_link_opens_nothing(guest, event, olga, suffix):
    link, url = create_door_link(event, name="", by=olga)
    withdraw_door_link(link)

    responses = [
        guest.get(f"{urlsplit(url).path}{suffix}"),
        guest.get(f"/door/{'a' * 43}{suffix}"),
        guest.get(f"/door/short{suffix}"),
    ]

    assert [response.status_code for response in responses] == [404, 404, 404]
    assert all(event.name not in response.content.decode() for response in responses)


def test_the_page_keeps_the_token_to_itself(guest, address):
    response = guest.get(address)

    policy = response["Content-Security-Policy"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Robots-Tag"] == "noindex"
    assert response["Permissions-Policy"].startswith("camera=(self)")
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "Set-Cookie" not in response
    assert not response.cookies


def test_the_page_has_no_script_or_style_inside(guest, address, event):
    registered(event, name="Ann")

    text = guest.get(address, {"q": "ann"}).content.decode()

    assert re.findall(r"<script(?! defer src=)|<style| style=| on\w+=", text) == []
    assert re.findall(r'(?:src|href)="(?!/|data:)[^"]*"', text) == []


def test_the_worker_is_a_script_that_browsers_check_for_changes(guest):
    response = guest.get("/door/worker.js")

    assert response["Content-Type"].startswith("text/javascript")
    assert response["Cache-Control"] == "no-cache"
    assert "unsafe" not in response["Content-Security-Policy"]


def test_a_server_error_does_not_log_the_token(address, monkeypatch, caplog):
    def fail(event):
        raise RuntimeError("broken")

    monkeypatch.setattr("registrations.services.door_list", fail)
    guest = Client(raise_request_exception=False)

    response = guest.get(f"{address}/list")

    assert response.status_code == 500
    assert "/door/[token]/list" in caplog.text
    assert address.rpartition("/")[2] not in caplog.text


def test_requests_are_limited(guest, address, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "anonymous": (2, 60)}

    statuses = [guest.get(f"{address}/list").status_code for _ in range(3)]

    assert statuses == [200, 200, 429]


def test_the_decoder_is_the_released_one():
    path = Path(finders.find("vendor/jsqr/jsqr-1.4.0.js"))

    assert hashlib.sha256(path.read_bytes()).hexdigest() == JSQR_SHA256
    assert (path.parent / "LICENSE").read_text().lstrip().startswith("Apache License")


@pytest.mark.django_db(transaction=True)
def test_scans_need_no_surrounding_transaction(guest, address, event):
    ann = registered(event, name="Ann Lee")

    page = guest.get(address)
    response = post_scans(guest, address, {"ticket_code": ann.ticket_code, "nonce": "1"})

    assert [page.status_code, response.status_code] == [200, 200]
    assert admitted(ann) == 1

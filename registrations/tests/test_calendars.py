"""The secret calendar of an account."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from icalendar import Calendar

from accounts.services import erase_account
from accounts.tests.factories import PASSWORD, grant
from conftest import NOW
from events.services import cancel_event, delete_event
from events.tests.factories import EventFactory
from registrations import calendars
from registrations.services import cancel_registration, register
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


def link_of(client) -> str:
    """The secret link, as a path and query."""
    link = urlsplit(client.get("/api/me/").json()["calendar_url"])
    assert (link.scheme, link.netloc) == ("http", "localhost:8000")
    return f"{link.path}?{link.query}"


def attend(event, user):
    return register(event.pk, name="A", email=user.email, user=user, registered_by=user)


def entries(response) -> dict:
    """The VEVENTs by their summaries, each of which occurs once."""
    assert response.status_code == 200, response.content
    events = Calendar.from_ical(response.content).walk("VEVENT")
    by_name = {str(entry["SUMMARY"]): entry for entry in events}
    assert len(by_name) == len(events)
    return by_name


def statuses(response) -> dict[str, str]:
    return {name: str(entry["STATUS"]) for name, entry in entries(response).items()}


@pytest.fixture
def link(ana, signed_in) -> str:
    return link_of(signed_in(ana))


def test_the_calendar_has_attended_and_organized_events(ana, olga, anyone, link, signed_in):
    full = EventFactory(name="Full", max_capacity=1, waitlist_enabled=True)
    registered(full)
    for event in (EventFactory(name="Going"), full, EventFactory(name="Not going")):
        attend(event, ana)
    called_off = EventFactory(name="Called off")
    attend(called_off, ana)
    cancel_event(called_off)
    cancel_registration(ana.registrations.get(event__name="Not going"))
    gone = EventFactory(name="Deleted")
    attend(gone, ana)
    delete_event(gone)
    EventFactory(name="Mine", organizer=olga)
    EventFactory(name="My draft", organizer=olga, status="draft")
    attend(EventFactory(name="Both", organizer=olga), olga)

    assert statuses(anyone.get(link)) == {
        "Going": "CONFIRMED", "Full": "TENTATIVE", "Called off": "CANCELLED",
    }  # fmt: skip
    assert statuses(anyone.get(link_of(signed_in(olga)))) == {
        "Mine": "CONFIRMED", "My draft": "TENTATIVE", "Both": "CONFIRMED",
    }  # fmt: skip


def test_a_promotion_confirms_the_entry_and_moves_its_stamp(clock, ana, anyone, link):
    event = EventFactory(name="Full", max_capacity=1, waitlist_enabled=True)
    first = registered(event)
    attend(event, ana)
    waiting = entries(anyone.get(link))["Full"]
    clock.shift(3600)

    cancel_registration(first)

    confirmed = entries(anyone.get(link))["Full"]
    assert (waiting["STATUS"], confirmed["STATUS"]) == ("TENTATIVE", "CONFIRMED")
    assert waiting["UID"] == confirmed["UID"]
    assert (waiting["DTSTAMP"].dt, confirmed["DTSTAMP"].dt) == (NOW, NOW + timedelta(hours=1))


def test_the_meeting_url_is_only_for_the_confirmed_and_the_organizer(
    ana, max_, olga, anyone, signed_in
):
    event = EventFactory(
        organizer=olga, max_capacity=1, waitlist_enabled=True, meeting_url="https://meet.example.org/x"
    )  # fmt: skip
    attend(event, ana)
    attend(event, max_)

    has_meeting_url = {
        user.username: b"https://meet.example.org/x" in anyone.get(link_of(signed_in(user))).content
        for user in (ana, max_, olga)
    }
    assert has_meeting_url == {"ana": True, "max": False, "olga": True}


def test_a_registration_for_a_guest_is_not_in_the_calendar(ana, event, anyone, link):
    register(event.pk, name="Bob", email="bob@example.com", registered_by=ana)

    assert entries(anyone.get(link)) == {}


def test_two_addresses_at_one_event_are_one_entry(ana, event, anyone, link):
    event = EventFactory(name="Twice", max_capacity=1, waitlist_enabled=True)
    attend(event, ana)
    register(event.pk, name="A", email="ana@old.org", user=ana, registered_by=ana)

    assert statuses(anyone.get(link)) == {"Twice": "CONFIRMED"}


def test_past_events_are_cut_before_upcoming_ones(clock, olga, anyone, signed_in, monkeypatch):
    monkeypatch.setattr(calendars, "MAX_ENTRIES", 4)
    for day in (-3, -2, -1, 1, 2, 3):
        EventFactory(name=f"Day {day}", organizer=olga, start_time=NOW + timedelta(days=day))
    link = link_of(signed_in(olga))

    assert list(entries(anyone.get(link))) == ["Day -1", "Day 1", "Day 2", "Day 3"]
    monkeypatch.setattr(calendars, "MAX_ENTRIES", 2)
    assert list(entries(anyone.get(link))) == ["Day 1", "Day 2"]


@pytest.mark.parametrize("count", [1, 3])
def test_the_calendar_takes_four_queries(ana, anyone, link, count, django_assert_num_queries):
    for event in EventFactory.create_batch(count):
        attend(event, ana)

    with django_assert_num_queries(4):
        assert len(entries(anyone.get(link))) == count


def test_an_unchanged_calendar_is_not_sent_again(ana, event, anyone, link):
    attend(event, ana)
    first = anyone.get(link)

    again = anyone.get(link, headers={"If-None-Match": first["ETag"]})

    assert first["Cache-Control"] == "private, no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert again["Cache-Control"] == "private, no-cache"


def test_a_reset_ends_the_earlier_link(ana, max_, anyone, link, signed_in):
    client = signed_in(ana)

    response = client.post("/api/me/calendar/reset")

    other = link_of(client)
    assert response.status_code == 200
    assert response.json() == client.get("/api/me/").json()
    assert other != link
    assert anyone.get(link).json()["code"] == "not_found"
    assert anyone.get(other).status_code == 200
    assert anyone.get(link_of(signed_in(max_))).status_code == 200


def test_a_reset_is_for_the_signed_in(anyone):
    assert anyone.post("/api/me/calendar/reset/").json()["code"] == "not_authenticated"


def test_an_invalid_link_is_not_found(ana, max_, anyone, link, signed_in):
    token = link.partition("=")[2]
    signature = token.rpartition(".")[2]

    for wrong in (
        "", "x", f"{max_.pk}.1.{signature}", f"{ana.pk}.2.{signature}", f"{token}x", token[:-1],
        f"{ana.pk}.1", "1.1.", "%00", "%F0%9F%98%80", "x" * 4000,
    ):  # fmt: skip
        response = anyone.get(f"/api/me/calendar.ics?token={wrong}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found"), wrong
    assert anyone.get("/api/me/calendar.ics").status_code == 404
    assert signed_in(ana).get("/api/me/calendar.ics").status_code == 404
    assert anyone.get(f"{link}&tokn=1").json()["code"] == "unknown_parameter"


def test_each_link_has_a_limit_of_its_own(ana, max_, anyone, link, signed_in, clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "feed": (2, 60)}
    other, invented = link_of(signed_in(max_)), f"{link}x"

    statuses = {
        address: [anyone.get(address).status_code for _ in range(3)]
        for address in (link, other, invented)
    }

    assert statuses == {link: [200, 200, 429], other: [200, 200, 429], invented: [404, 404, 429]}
    assert anyone.get(f"{invented}y").status_code == 429
    assert anyone.get("/api/events/calendar.ics").status_code == 429  # the address's own is used up
    assert anyone.get("/api/events/").status_code == 200


def test_the_link_survives_a_new_password_and_ends_with_the_account(ana, anyone, link, signed_in):
    changed = signed_in(ana).post(
        "/api/password/change/",
        {"current_password": PASSWORD, "password": "eleven quiet green rivers"},
    )
    assert (changed.status_code, anyone.get(link).status_code) == (204, 200)

    erase_account(ana)

    assert anyone.get(link).status_code == 404


def test_staff_see_nobody_elses_link(ana, sam, signed_in):
    path = f"/api/users/{ana.pk}/"

    assert signed_in(grant(sam, "accounts.view_user")).get(path).json()["calendar_url"] is None
    own = signed_in(ana)
    assert own.get(path).json()["calendar_url"] == own.get("/api/me/").json()["calendar_url"]


def test_the_token_is_in_no_log(ana, event, anyone, link, caplog, settings):
    token = link.partition("=")[2]
    attend(event, ana)
    anyone.raise_request_exception = False

    with caplog.at_level("DEBUG"):
        anyone.get(link)
        anyone.get(f"{link}x")
        anyone.get(f"{link}&unknown=1")
        settings.PUBLIC_URL = None
        assert anyone.get(link).status_code == 500

    assert "/api/me/calendar.ics" in caplog.text
    assert token not in caplog.text

"""The page where the holder of a link manages a registration."""

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from django.test import Client

from accounts.tests.factories import PASSWORD
from events.services import cancel_event, delete_event
from events.tests.factories import EventFactory
from registrations.models import LedgerEntry, Registration
from registrations.services import check_in
from registrations.tests.factories import registered
from registrations.tickets import manage_link, manage_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


@pytest.fixture
def registration(event) -> Registration:
    return registered(event, name="Bob", email="bob@example.com")


def text_of(response) -> str:
    """What a reader sees of the page."""
    main = re.search(r"<main[^>]*>(.*)</main>", response.content.decode(), re.DOTALL)[1]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def sent(browser: Client, registration: Registration, **fields: str):
    path = urlsplit(manage_link(registration.pk)).path
    form = {"token": manage_token(registration.pk), **fields}
    return browser.post(path, form, follow=True)


def test_the_page_says_until_when_one_can_cancel(clock, browser, olga):
    closes = datetime(2027, 2, 1, 12, tzinfo=UTC)
    event = EventFactory(organizer=olga, timezone="UTC", cancellation_closes_at=closes)
    registration = registered(event)

    before = text_of(browser.get(manage_link(registration.pk)))
    clock.move_to(closes)
    after = text_of(browser.get(manage_link(registration.pk)))
    refused = sent(browser, registration, cancel="yes")

    assert "You can cancel until Monday, 1 February 2027, 12:00 (UTC). I cannot come" in before
    assert "Cancelling closed on Monday, 1 February 2027, 12:00 (UTC)." in after
    assert "I cannot come" not in after
    assert refused.status_code == 400
    assert "Attendees can no longer cancel" in text_of(refused)


def test_the_page_shows_place_time_and_ticket(clock, browser, olga):
    event = EventFactory(
        organizer=olga,
        name="Tea & <b>Talk</b>",
        location="Bengaluru",
        timezone="Asia/Kolkata",
        start_time="2027-03-15T09:00:00Z",
        end_time="2027-03-15T11:30:00Z",
        meeting_url="https://meet.example.org/x",
    )
    registration = registered(event, name="Bob", email="bob@example.com")

    response = browser.get(manage_link(registration.pk))

    text = text_of(response)
    assert response.status_code == 200
    assert "Tea &amp; &lt;b&gt;Talk&lt;/b&gt; You have a seat." in text
    assert "Monday, 15 March 2027, 14:30 to 17:00 Local time there (Asia/Kolkata)" in text
    assert "Bengaluru Take part online" in text
    assert "Bob, bob@example.com" in text
    assert registration.ticket_code in text
    assert 'src="data:image/svg+xml;base64,' in response.content.decode()


def test_a_place_in_the_queue_has_no_ticket(browser, olga):
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    registered(event)
    waiting = registered(event)

    response = browser.get(manage_link(waiting.pk))

    assert "You are on the waiting list, as number 1." in text_of(response)
    assert waiting.ticket_code not in response.content.decode()


def test_reading_the_page_changes_nothing(browser, registration):
    path = urlsplit(manage_link(registration.pk)).path
    query = {"token": manage_token(registration.pk), "cancel": "yes", "name": "Eve"}

    browser.get(path, query)
    browser.head(path, query)

    assert Registration.objects.get().name == "Bob"
    assert Registration.objects.get().status == "confirmed"


def test_the_name_is_corrected(browser, registration):
    response = sent(browser, registration, name=" Bob Ray ")

    assert Registration.objects.get().name == "Bob Ray"
    assert "The name is corrected." in text_of(response)
    assert len(response.redirect_chain) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "a\x00b"])
def test_an_invalid_name_is_refused_with_a_reason(browser, registration, name):
    response = sent(browser, registration, name=name)

    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()
    assert Registration.objects.get().name == "Bob"


def test_the_registration_is_cancelled(browser, registration, event):
    response = sent(browser, registration, cancel="yes")

    event.refresh_from_db()
    assert "Your registration is cancelled. This registration is cancelled." in text_of(response)
    assert event.registered_count == 0
    assert LedgerEntry.objects.last().reason == "by_guest"
    assert "<form" not in response.content.decode()


def test_the_page_says_when_cancelling_is_closed(clock, browser, registration, event):
    clock.move_to(event.start_time)

    refused = sent(browser, registration, cancel="yes")
    page = browser.get(manage_link(registration.pk))

    assert refused.status_code == 400
    assert "The event has started; a registration can no longer be cancelled." in text_of(refused)
    assert "I cannot come" not in text_of(page)


def test_the_page_says_that_the_holder_is_checked_in(browser, registration, event, olga):
    check_in(event, registration.ticket_code, by=olga)

    assert "You have a seat, and you are checked in." in text_of(
        browser.get(manage_link(registration.pk))
    )


def test_a_cancelled_event_gives_its_reason(browser, registration, event):
    cancel_event(event, reason="Storm.")

    response = browser.get(manage_link(registration.pk))

    assert "The event was called off. The organizer says: Storm." in text_of(response)
    assert registration.ticket_code not in response.content.decode()


@pytest.mark.parametrize("token", ["", "x", "é", "\x00", "A" * 5000])
def test_without_the_link_there_is_no_page(browser, registration, token):
    path = urlsplit(manage_link(registration.pk)).path

    for response in (
        browser.get(path, {"token": token}),
        browser.post(path, {"token": token, "cancel": "yes"}),
    ):
        assert response.status_code == 404
        assert "This link does not work" in text_of(response)
    assert Registration.objects.get().status == "confirmed"


def test_the_link_of_another_registration_opens_nothing(browser, registration, event):
    path = urlsplit(manage_link(registered(event).pk)).path

    assert browser.get(path, {"token": manage_token(registration.pk)}).status_code == 404


def test_the_link_ends_with_the_event_and_with_the_person(browser, ana, event, signed_in, anyone):
    guest = registered(event)
    delete_event(event)
    other = EventFactory()
    mine = registered(other, email=ana.email, user=ana)
    signed_in(ana).delete("/api/me/", {"password": PASSWORD})

    for registration in (guest, mine):
        token = manage_token(registration.pk)
        path = f"/api/registrations/{registration.pk}/?token={token}"
        assert browser.get(manage_link(registration.pk)).status_code == 404
        assert anyone.get(path).status_code == 404
        assert anyone.patch(path, {"name": "Back"}).status_code == 404
    assert Registration.objects.get(pk=mine.pk).name == "Erased account"


def test_the_page_does_not_leak_its_token(browser, registration):
    for link in (manage_link(registration.pk), manage_link(registration.pk)[:-1]):
        response = browser.get(link)

        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
        assert "default-src 'self'" in response["Content-Security-Policy"]
        assert response.cookies == {}


def test_the_page_takes_a_fixed_number_of_queries(browser, registration, django_assert_num_queries):
    with django_assert_num_queries(1):
        browser.get(manage_link(registration.pk))

"""The page behind the invitation to give feedback."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from accounts.tests.factories import PASSWORD, UserFactory
from conftest import NOW
from events.models import Event
from events.services import delete_event
from events.tests.factories import EventFactory
from registrations.models import Feedback, Registration
from registrations.services import cancel_registration, hide_feedback, register
from registrations.tickets import feedback_link, feedback_token, manage_token

pytestmark = pytest.mark.django_db

ENDS = NOW + timedelta(hours=3)


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


@pytest.fixture
def registration(clock, olga, ana) -> Registration:
    """Ana's, at an event that is over."""
    event = EventFactory(
        organizer=olga, name="Talk & Tea", start_time=NOW + timedelta(hours=1), end_time=ENDS
    )
    made = register(event.pk, name="Ana", email=ana.email, user=ana, registered_by=ana)
    clock.move_to(ENDS)
    return made


def path_of(registration: Registration) -> str:
    return f"/registrations/{registration.pk}/feedback/"


def link_of(registration: Registration) -> str:
    return feedback_link(registration.pk, registration.user_id)


def text_of(response) -> str:
    main = re.search(r"<main[^>]*>(.*)</main>", response.content.decode(), re.DOTALL)[1]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def sent(browser: Client, registration: Registration, **fields: str):
    token = feedback_token(registration.pk, registration.user_id)
    return browser.post(path_of(registration), {"token": token, **fields}, follow=True)


def test_an_attendee_gives_feedback_and_edits_it(browser, registration, ana):
    page = browser.get(link_of(registration))
    assert "How was it? Talk &amp; Tea, 15 January 2027, 14:00 (Europe/Berlin, CET)" in text_of(
        page
    )
    assert not Feedback.objects.exists()

    page = sent(browser, registration, rating="4", comment="Good <tea>.")
    assert "Thank you." in text_of(page)
    assert "\nGood &lt;tea&gt;.</textarea>" in page.content.decode()
    assert 'value="4" required checked' in page.content.decode()
    changed = sent(browser, registration, rating="5", comment="")

    feedback = Feedback.objects.get()
    assert "Your feedback is changed." in text_of(changed)
    assert (feedback.author, feedback.rating, feedback.comment) == (ana, 5, "")
    assert Event.objects.get().average_rating == 5


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Choose a rating from 1 to 5."),
        ({"rating": "6"}, "Ensure this value is less than or equal to 5."),
        ({"rating": "x"}, "Send a whole number."),
    ],
)
def test_invalid_feedback_is_refused_with_a_reason(browser, registration, fields, sentence):
    response = sent(browser, registration, comment="Kept", **fields)

    assert response.status_code == 400
    assert sentence in text_of(response)
    assert "\nKept</textarea>" in response.content.decode()
    assert not Feedback.objects.exists()


def test_before_the_end_the_form_is_closed(browser, clock, registration):
    clock.move_to(ENDS - timedelta(seconds=1))

    page, refused = browser.get(link_of(registration)), sent(browser, registration, rating="5")

    assert "Feedback opens when the event ends" in text_of(page)
    assert "<form" not in page.content.decode()
    assert (refused.status_code, Feedback.objects.count()) == (400, 0)


def test_hidden_feedback_is_closed(browser, registration, ana, sam):
    feedback = Feedback.objects.create(event=registration.event, author=ana, rating=1)
    hide_feedback(feedback, reason="spam", by=sam)

    page, refused = browser.get(link_of(registration)), sent(browser, registration, rating="5")

    assert "Staff have hidden your feedback." in text_of(page)
    assert refused.status_code == 400
    assert Feedback.objects.get().rating == 1


@pytest.mark.parametrize("token", ["", "x", "é"])
def test_without_the_link_there_is_no_page(browser, registration, token):
    assert browser.get(path_of(registration), {"token": token}).status_code == 404


def test_the_link_that_manages_gives_no_feedback_in_anothers_name(browser, registration, max_):
    """Whoever registered a guest has its token, also when the place is an account's by now."""
    theirs = feedback_token(registration.pk, max_.pk)

    for token in (manage_token(registration.pk), theirs):
        response = browser.post(path_of(registration), {"token": token, "rating": "1"})
        assert response.status_code == 404
    assert not Feedback.objects.exists()


def test_the_link_that_was_mailed_proves_the_address(browser, registration, ana):
    assert not ana.email_verified

    page = sent(browser, registration, rating="5")

    assert "Thank you." in text_of(page)
    assert Feedback.objects.get().author == ana


def test_the_link_ends_with_the_event_and_with_the_account(
    browser, clock, registration, ana, signed_in
):
    assert signed_in(ana).delete("/api/me/", {"password": PASSWORD}).status_code == 204
    assert browser.get(link_of(registration)).status_code == 404

    clock.move_to(NOW)
    user = UserFactory()
    event = EventFactory(start_time=NOW + timedelta(hours=1))
    theirs = register(event.pk, name="U", email=user.email, user=user)
    assert browser.get(link_of(theirs)).status_code == 200
    delete_event(event)
    assert browser.get(link_of(theirs)).status_code == 404


def test_a_cancelled_registration_gives_no_feedback(browser, clock, ana, olga):
    clock.move_to(NOW)
    event = EventFactory(organizer=olga, start_time=NOW + timedelta(hours=1))
    mine = register(event.pk, name="Ana", email=ana.email, user=ana)
    cancel_registration(mine)
    clock.move_to(event.end_time)

    page = browser.get(link_of(mine))

    assert "Only accounts that were confirmed on the event give feedback." in text_of(page)

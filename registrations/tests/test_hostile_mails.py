"""What a stranger can make the service send to a mailbox that nobody has confirmed."""

import re
import time
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from django.core import mail as django_mail
from rest_framework.test import APIClient

from accounts.models import Notification, User
from accounts.notifications import kinds
from accounts.notifications.composing import compose, message_id
from accounts.notifications.mailer import Mailer
from accounts.notifications.rendering import render_notice
from accounts.tests.factories import PASSWORD, UserFactory
from conftest import NOW, real_settings
from events.models import Event, TeamMember
from events.services import cancel_event, edit_event
from events.tests.factories import EventFactory
from registrations.models import Message, Registration
from registrations.notifications.schedule import Schedule
from registrations.services import cancel_registration, register, send_message
from registrations.tests.factories import registered
from registrations.tickets import manage_link

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

VICTIM = "victim@example.com"
EVIL = "https://evil.example/x evil.example/y ann@evil.example"


def deliver() -> list:
    """The e-mails of one batch."""
    before = len(django_mail.outbox)
    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()
    return django_mail.outbox[before:]


# --- no link but the service's own ---


def hostile(value):
    """The fact with all of its text written by a stranger."""
    match value:
        case Event():
            value.name = value.location = value.description = EVIL
            value.cancellation_reason = value.meeting_url = EVIL
            value.organizer.username = EVIL
        case Registration():
            value.name = EVIL
        case Message():
            value.subject = value.body = EVIL
        case User():
            value.username = EVIL
        case TeamMember():
            value.invited_by.username = EVIL
        case Schedule():
            value = replace(value, location=EVIL)
    return value


def parts_of(mail) -> dict[str, str]:
    """The headers and everything in the mail that is text, as a mail reader decodes it."""
    message = mail.message()
    parts = {"headers": "\n".join(f"{name}: {value}" for name, value in message.items())}
    for part in message.walk():
        if part.get_content_maintype() == "text":
            parts[part.get_content_type()] = part.get_content().replace("\r\n ", "")
    return parts


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.sample], ids=lambda k: k.name)
def test_no_kind_of_mail_shows_a_strangers_link(kind):
    facts = {name: hostile(value) for name, value in kind.sample().items()}
    if facts.get("meeting_url"):
        facts["meeting_url"] = "https://evil.example/x"
    row = Notification(kind=kind.name, key="x", email="bob@example.com", event_id=1)
    row.subject, row.body = render_notice(kind, row, facts)
    row.message_id = message_id(row)

    parts = parts_of(compose(kind, row, facts, is_guarded=True))

    assert {name for name, text in parts.items() if "evil.example" in text} == set()
    links = re.findall(r'(?:href|src)="([^"]*)"', unescape(parts["text/html"]))
    assert {link for link in links if not link.startswith(("http://localhost:8000", "cid:"))} == (
        set()
    )


def test_a_guest_finds_the_link_to_join_on_the_page_of_the_registration(olga):
    event = EventFactory(organizer=olga, meeting_url="https://meet.example.com/tea")
    bob = registered(event, email="bob@example.com")

    [mail] = deliver()

    assert "\nOnline: the link is on the page of your registration\n" in mail.text
    assert manage_link(bob.pk) in mail.text
    assert {text for text in parts_of(mail).values() if "meet.example.com" in text} == set()


def test_a_confirmed_mailbox_gets_the_link_to_join(olga):
    event = EventFactory(organizer=olga, meeting_url="https://meet.example.com/tea")
    ana = UserFactory(username="ana", email_verified_at=NOW)
    register(event.pk, name="ana", email=ana.email, user=ana, registered_by=ana)

    [mail] = deliver()

    assert "\nOnline: https://meet.example.com/tea\n" in mail.text
    assert '<a href="https://meet.example.com/tea">' in mail.html
    assert "https://meet.example.com/tea" in parts_of(mail)["text/calendar"]


def test_a_stranger_sends_no_link_to_a_confirmed_mailbox(olga):
    ana = UserFactory(username="ana", email_verified_at=NOW)
    event = EventFactory(organizer=olga, name="evil.example", meeting_url="https://evil.example/x")
    registered(event, name="https://evil.example", email=ana.email)

    [mail] = deliver()

    assert {text for text in parts_of(mail).values() if "evil.example" in text} == set()


# --- five mails an hour ---


@pytest.fixture
def _limits(settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mailbox": (5, 3600)}


@pytest.mark.usefixtures("_limits")
def test_guest_registrations_at_many_events_fill_no_mailbox(olga, clock):
    events = EventFactory.create_batch(30, organizer=olga)
    counts = []

    for event in events:
        registered(event, email=VICTIM)
        counts.append(len(deliver()))
        clock.shift(30)
    clock.shift(3600)
    later = deliver()

    assert sum(counts) == 3
    assert len(later) == 1
    assert later[0].subject.endswith(" (and 26 more)")
    assert later[0].text.count("/registrations/") == 27
    assert not Notification.objects.exclude(state="sent").exists()


@pytest.mark.usefixtures("_limits")
def test_registering_and_cancelling_in_a_loop_fills_no_mailbox(olga, clock):
    event = EventFactory(organizer=olga)

    for _ in range(20):
        cancel_registration(registered(event, email=VICTIM))
        deliver()
        clock.shift(30)

    assert len(django_mail.outbox) == 3


@pytest.mark.usefixtures("_limits")
def test_guest_registrations_fill_no_confirmed_mailbox(olga, anyone, signed_in, clock):
    ana = UserFactory(username="ana", email_verified_at=NOW)
    for event in EventFactory.create_batch(9, organizer=olga):
        body = {"name": "Ana", "email": ana.email}
        made = anyone.post(f"/api/events/{event.pk}/register/", body).json()
        deliver()
        signed_in(olga).delete(f"/api/registrations/{made['id']}/")
        deliver()

    assert len(django_mail.outbox) == 3


@pytest.mark.usefixtures("_limits")
def test_what_strangers_cause_keeps_no_mail_of_an_own_registration_back(olga):
    ana = UserFactory(username="ana", email_verified_at=NOW)
    own, *others = EventFactory.create_batch(9, organizer=olga)
    for event in others:
        registered(event, email=ana.email)
        deliver()

    register(own.pk, name="ana", email=ana.email, user=ana, registered_by=ana)

    assert [mail.subject for mail in deliver()] == [f"You have a seat: {own.name}"]


@pytest.mark.usefixtures("_limits")
def test_a_cancelled_event_is_mailed_with_an_exhausted_budget(olga):
    events = EventFactory.create_batch(6, organizer=olga)
    for event in events:
        registered(event, email=VICTIM)
        deliver()

    cancel_event(events[0])

    assert [mail.subject for mail in deliver()] == [f"Cancelled: {events[0].name}"]
    assert len(django_mail.outbox) == 4


@pytest.mark.usefixtures("_limits")
def test_resets_that_strangers_ask_for_keep_no_other_mail_back(olga, anyone, clock):
    soon, later = EventFactory.create_batch(2, organizer=olga)
    anyone.post("/api/register/", {"email": VICTIM, "password": PASSWORD})
    subjects = []

    for minute in range(0, 180, 5):
        if minute % 15 == 0:
            assert anyone.post("/api/password/reset/", {"email": VICTIM}).status_code == 202
        if minute == 65:
            registered(soon, email=VICTIM)
            registered(later, email=VICTIM)
        if minute == 70:
            cancel_event(soon)
        subjects.append([mail.subject for mail in deliver()])
        clock.shift(300)

    assert subjects[13] == [f"You have a seat: {soon.name}", f"You have a seat: {later.name}"]
    assert subjects[14] == [f"Cancelled: {soon.name}"]


@pytest.mark.usefixtures("_limits")
def test_registrations_that_strangers_make_do_not_keep_a_confirmation_back(olga, anyone):
    events = EventFactory.create_batch(6, organizer=olga)
    for event in events:
        registered(event, email=VICTIM)
        deliver()
        cancel_event(event)
        deliver()

    anyone.post("/api/register/", {"email": VICTIM, "password": PASSWORD})

    assert [mail.subject for mail in deliver()] == ["Confirm your e-mail address"]


@pytest.mark.usefixtures("_limits")
def test_edits_in_a_loop_fill_no_mailbox(olga, clock):
    event = EventFactory(organizer=olga)
    registered(event, email=VICTIM, notify=False)

    for number in range(30):
        edit_event(event, {"location": f"Hall {number}"})
        deliver()
        clock.shift(60)

    assert len(django_mail.outbox) == 3


@pytest.mark.usefixtures("_limits")
def test_merged_mails_have_the_whole_messages(olga):
    event = EventFactory(organizer=olga)
    registered(event, email=VICTIM, notify=False)
    for number in range(6):
        words = f"Line one of {number}.\n{'x' * 300} end of {number}"
        send_message(event, author=olga, subject=f"News {number}", body=words)

    [mail] = deliver()

    assert mail.subject == f"News 0 ({event.name}) (and 5 more)"
    for number in range(6):
        assert f"\nLine one of {number}.\n{'x' * 300} end of {number}\n" in mail.text
        assert f"end of {number}<br><a href=" in mail.html


@pytest.mark.usefixtures("_limits")
@pytest.mark.parametrize("number", [1, 6], ids=["one", "several"])
def test_a_link_of_the_service_in_a_message_is_a_strangers_link(olga, number):
    event = EventFactory(organizer=olga)
    registered(event, email=VICTIM, notify=False)
    link = "http://localhost:8000/reset-password/?token=1.2-x_y"
    for row in range(number):
        send_message(event, author=olga, subject=f"News {row}", body=link)

    [mail] = deliver()

    assert {text for text in parts_of(mail).values() if link in text} == set()
    assert mail.text.count("http[:]//localhost:8000/reset-password/?token=1.2-x_y") == number


def test_no_sequence_of_calls_sends_more_than_five_mails_an_hour(
    olga, anyone, signed_in, clock, settings
):
    """What mails somebody, with the default limits, in a loop of hours."""
    settings.RATE_LIMITS = real_settings.RATE_LIMITS
    event = EventFactory(organizer=olga, start_time=NOW + timedelta(days=30))
    sent_at = []

    def look() -> None:
        sent_at.extend([time.time()] * sum(mail.to == [VICTIM] for mail in deliver()))
        clock.shift(37)

    for number in range(24):
        response = anyone.post("/api/register/", {"email": VICTIM, "password": PASSWORD})
        look()
        anyone.post("/api/password/reset/", {"email": VICTIM})
        look()
        if response.status_code == 201:
            account = APIClient()
            account.credentials(HTTP_AUTHORIZATION=f"Bearer {response.json()['access']}")
            account.post("/api/email/verify/resend/")
            look()
            account.delete("/api/me/", {"password": PASSWORD})
        organizer = signed_in(olga)
        other = EventFactory(organizer=olga, start_time=NOW + timedelta(days=40))
        body = {"name": "https://evil.example", "email": VICTIM}
        anyone.post(f"/api/events/{other.pk}/register/", body)
        look()
        file = f"name,email\nVictim,{VICTIM}\n"
        organizer.post(f"/api/events/{event.pk}/attendees/import/", file, content_type="text/csv")
        look()
        organizer.patch(f"/api/events/{event.pk}/", {"location": f"evil{number}.example"})
        look()
        message = {"subject": "evil.example", "body": "https://evil.example"}
        organizer.post(f"/api/events/{event.pk}/messages/", message)
        look()
        for row in Registration.objects.live().filter(event=event, email=VICTIM):
            organizer.post(f"/api/registrations/{row.pk}/resend/")
            look()
            organizer.delete(f"/api/registrations/{row.pk}/")
        organizer.post(f"/api/events/{other.pk}/cancel/", {"reason": "See evil.example"})
        look()

    per_hour = [sum(start <= at < start + 3600 for at in sent_at) for start in sent_at]
    assert max(per_hour) == 5
    assert Notification.objects.filter(email=VICTIM).count() > 60
    words = "".join(mail.subject + mail.text + mail.html for mail in django_mail.outbox)
    assert "evil[.]example" in words
    assert re.findall(r"evil\d*\.example|https?://evil", words) == []

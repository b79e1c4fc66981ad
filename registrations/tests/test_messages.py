"""Messages of organizers to attendees."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Notification
from accounts.tests.factories import UserFactory, grant
from conftest import NOW
from events.models import Event
from events.services import delete_event
from events.tests.factories import EventFactory
from registrations.models import Message
from registrations.services import cancel_registration
from registrations.tests.factories import registered_silently
from registrations.tests.mails import due_mails

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

WRITTEN = {"subject": "The doors open at eight", "body": "Dear all,\n\nbring <b>tea</b> & cake."}


@pytest.fixture
def event(olga) -> Event:
    """Ada and bob have seats, dora waits, emil has left."""
    event = EventFactory(organizer=olga, name="Talk", max_capacity=2, waitlist_enabled=True)
    for name in ("ada", "bob", "dora"):
        registered_silently(event, name=name.title(), email=f"{name}@example.com")
    cancel_registration(registered_silently(event, email="emil@example.com"))
    due_mails()
    return event


def path_of(event: Event) -> str:
    return f"/api/events/{event.pk}/messages/"


def test_an_organizer_writes_to_those_with_a_seat(event, olga, signed_in):
    client = signed_in(olga)

    sent = client.post(path_of(event), WRITTEN)

    message = Message.objects.get()
    assert sent.status_code == 201
    assert sent.json() == {
        "id": message.pk,
        **WRITTEN,
        "status": "confirmed",
        "recipient_count": 2,
        "author": {"id": olga.pk, "username": "olga"},
        "created_at": "2027-01-15T12:00:00Z",
    }
    assert client.get(sent["Location"]).json() == sent.json()
    assert client.get(path_of(event)).json()["results"] == [sent.json()]
    mails = sorted(due_mails(), key=lambda mail: mail.to)
    assert [(mail.kind, mail.to) for mail in mails] == [
        ("organizer_message", "ada@example.com"),
        ("organizer_message", "bob@example.com"),
    ]
    assert mails[0].subject == "The doors open at eight (Talk)"
    assert mails[0].notice == "Dear all, bring <b>tea</b> & cake."
    assert "\n\nDear all,\n\nbring <b>tea</b> & cake.\n\n" in mails[0].text
    assert "<p>Dear all,</p>\n\n<p>bring &lt;b&gt;tea&lt;/b&gt; &amp; cake.</p>" in mails[0].html
    assert olga.email not in mails[0].text + mails[0].html
    assert mails[0].attachments == []


def test_a_message_may_go_to_the_waitlist(event, olga, signed_in):
    sent = signed_in(olga).post(path_of(event), {**WRITTEN, "status": "waitlisted"})

    assert sent.json()["recipient_count"] == 1
    assert [mail.to for mail in due_mails()] == ["dora@example.com"]


def test_a_message_to_all_goes_to_seats_and_waitlist(event, olga, signed_in):
    registered_silently(event, email="pia@example.com")
    event.registrations.filter(email="pia@example.com").update(status="pending", queue_number=None)

    sent = signed_in(olga).post(path_of(event), {**WRITTEN, "status": "all"})

    assert (sent.status_code, sent.json()["status"]) == (201, "all")
    assert sent.json()["recipient_count"] == 3
    assert sorted(mail.to.split("@")[0] for mail in due_mails()) == ["ada", "bob", "dora"]


def test_a_registration_cancelled_before_the_mail_gets_none(event, olga, signed_in):
    signed_in(olga).post(path_of(event), WRITTEN)
    cancel_registration(event.registrations.get(email="ada@example.com"))

    assert [mail.to for mail in due_mails() if mail.kind == "organizer_message"] == [
        "bob@example.com"
    ]


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"subject": ""}, "subject", "blank"),
        ({"subject": None}, "subject", "null"),
        ({"subject": "Hi\r\nBcc: all@example.com"}, "subject", "invalid"),
        ({"subject": "x" * 201}, "subject", "max_length"),
        ({"body": " "}, "body", "blank"),
        ({"body": "x" * 10_001}, "body", "max_length"),
        ({"body": "\x00"}, "body", "invalid"),
        ({"status": "cancelled"}, "status", "invalid_choice"),
        ({"status": None}, "status", "null"),
    ],
)
def test_an_invalid_message_is_refused(event, olga, signed_in, change, field, code):
    refused = signed_in(olga).post(path_of(event), WRITTEN | change)

    assert refused.status_code == 400
    error = refused.json()["errors"][0]
    assert error["field"] == field
    assert error["code"] in {code, "line"}
    assert not Notification.objects.filter(kind="organizer_message").exists()


def test_only_organizers_and_staff_write_and_read_messages(
    anyone, ana, event, olga, sam, signed_in
):
    assert signed_in(sam).post(path_of(event), WRITTEN).status_code == 403
    staff = signed_in(grant(sam, "registrations.add_message"))
    where = staff.post(path_of(event), WRITTEN)["Location"]
    draft = EventFactory(organizer=olga, status="draft")

    for send in (lambda client, path: client.post(path, WRITTEN), lambda c, path: c.get(path)):
        assert send(anyone, path_of(event)).status_code == 401
        assert send(signed_in(ana), path_of(event)).status_code == 403
        assert send(signed_in(ana), path_of(draft)).status_code == 404
    assert anyone.get(where).status_code == 401
    assert signed_in(ana).get(where).status_code == 404
    assert signed_in(olga).get(where).json()["author"]["username"] == "sam"
    assert signed_in(olga).post(path_of(draft), WRITTEN).json()["recipient_count"] == 0
    delete_event(event)
    assert signed_in(olga).get(where).status_code == 404
    assert signed_in(olga).get(path_of(event)).status_code == 404


def test_messages_are_limited(event, olga, settings, signed_in):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "message": (2, 3600)}
    client = signed_in(olga)

    statuses = [client.post(path_of(event), WRITTEN).status_code for _ in range(3)]

    assert statuses == [201, 201, 429]
    assert client.get(path_of(event)).status_code == 200
    assert Message.objects.count() == 2


def test_a_repeated_post_sends_once(event, olga, signed_in):
    client = signed_in(olga)

    for _ in range(2):
        client.post(path_of(event), WRITTEN, headers={"Idempotency-Key": "k"})

    assert Message.objects.count() == 1
    assert len(due_mails()) == 2


def test_the_latest_comes_first_at_a_fixed_number_of_queries(clock, event, olga, signed_in):
    for number in range(3):
        clock.shift(60)
        Message.objects.create(event=event, author=olga, subject=str(number), body="x")
    client = signed_in(olga)

    counts = []
    for size in (1, 3):
        with CaptureQueriesContext(connection) as queries:
            page = client.get(f"{path_of(event)}?page_size={size}").json()
        counts.append(len(queries))

    assert [row["subject"] for row in page["results"]] == ["2", "1", "0"]
    assert counts[0] == counts[1]
    assert Message.objects.latest("id").created_at > NOW


def test_a_message_to_thousands_is_one_statement(event, olga, signed_in):
    Event.objects.filter(pk=event.pk).update(max_capacity=None)
    for _ in range(20):
        registered_silently(event)
    client = signed_in(olga)

    with CaptureQueriesContext(connection) as queries:
        client.post(path_of(event), WRITTEN)

    assert len([q for q in queries if "INSERT INTO accounts_notification" in q["sql"]]) == 1


def test_staff_read_messages_in_the_admin_and_edit_none(client, event, olga, signed_in):
    signed_in(olga).post(path_of(event), WRITTEN)
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    message = Message.objects.get()
    where = "/admin/registrations/message/"

    listed, page = client.get(f"{where}?q=doors"), client.get(f"{where}{message.pk}/change/")

    assert "The doors open at eight" in listed.content.decode()
    assert "bring &lt;b&gt;tea&lt;/b&gt; &amp; cake." in page.content.decode()
    assert client.post(f"{where}{message.pk}/change/", {"subject": "New"}).status_code == 403

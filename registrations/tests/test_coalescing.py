"""Successive edits of an event: one notification for each recipient, and few mails."""

from datetime import timedelta

import pytest
from django.core import mail as django_mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Notification, User
from accounts.notifications import outbox
from accounts.notifications.mailer import Mailer
from accounts.tests.factories import UserFactory
from conftest import NOW
from events.models import Event
from events.services import edit_event
from events.tests.factories import EventFactory, SeriesFactory
from registrations.models import Registration
from registrations.services import edit_registration, register
from registrations.tests.factories import registered_silently
from registrations.tests.mails import due_mails

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def event(olga) -> Event:
    return EventFactory(organizer=olga, location="Hall 0")


def move(event: Event, *numbers: int) -> None:
    for number in numbers:
        edit_event(event, {"location": f"Hall {number}"})


def deliver() -> list[str]:
    """The texts of the mails of one look at what is due."""
    before = len(django_mail.outbox)
    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()
    return [mail.text for mail in django_mail.outbox[before:]]


def attends(event: Event) -> User:
    ana = UserFactory(email_verified_at=NOW)
    register(event.pk, name="Ana", email=ana.email, user=ana, notify=False)
    return ana


def test_changes_that_nobody_was_notified_of_are_one_row(event):
    for name in ("ada", "bob"):
        registered_silently(event, email=f"{name}@example.com")

    move(event, *range(1, 51))

    assert Notification.objects.count() == 2
    mails = due_mails()
    assert [mail.to for mail in mails] == ["ada@example.com", "bob@example.com"]
    assert "Where: Hall 50\n" in mails[0].text
    assert mails[0].text.count("Hall") == 2
    assert "This is how it was:\nWhere: Hall 0\n" in mails[0].text


def test_a_change_that_is_reverted_is_not_mailed(event):
    registered_silently(event)

    move(event, *range(1, 51), 0)

    assert due_mails() == []


def test_a_merged_change_is_unread_and_on_top_again(event, clock, signed_in):
    client = signed_in(attends(event))
    move(event, 1)
    client.post("/api/me/notifications/read/", {"all": True})
    clock.shift(60)

    move(event, 2)

    [notification] = client.get("/api/me/notifications/").json()["results"]
    assert notification["body"].endswith("Hall 2")
    assert (notification["read_at"], notification["created_at"]) == (None, "2027-01-15T12:01:00Z")


def test_a_change_while_a_mailer_is_at_the_one_before_has_its_own_row(event):
    registered_silently(event)
    move(event, 1)
    [in_hand] = outbox.claim(1, 10)

    move(event, 2)
    outbox.settle(1, in_hand, "sent")
    move(event, 3)

    assert list(Notification.objects.order_by("id").values_list("state", "facts__sequence")) == [
        ("sent", 1), ("pending", 3),
    ]  # fmt: skip
    [mail] = due_mails()
    assert "This is how it was:\nWhere: Hall 1\n" in mail.text


def test_two_undelivered_rows_of_one_registration_are_one_mail(event):
    registered_silently(event)
    move(event, 1)
    [in_hand] = outbox.claim(1, 10)
    move(event, 2)
    outbox.give_back(1, [in_hand], after=timedelta(0))

    move(event, 3)

    [mail] = due_mails()
    assert "Where: Hall 3\n" in mail.text
    assert "This is how it was:\nWhere: Hall 0\n" in mail.text


def test_the_new_holder_is_notified_of_later_changes(event):
    registration = registered_silently(event, email="bob@example.com")
    move(event, 1)
    edit_registration(Registration.objects.get(pk=registration.pk), email="ann@example.com")
    Notification.objects.exclude(kind="event_changed").delete()

    move(event, 2)

    assert [(mail.to, mail.kind) for mail in due_mails()] == [("ann@example.com", "event_changed")]


def test_an_edit_loop_sends_few_mails_also_to_confirmed_mailboxes(event, clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "changes": (4, 3600)}
    attends(event)
    mails = []

    for minute in range(60):
        move(event, minute + 1)
        mails.append(len(deliver()))
        clock.shift(60)

    assert mails[:4] == [1, 1, 1, 1]
    assert sum(mails) <= 11


def test_an_edit_of_a_series_counts_once(olga, clock, settings, signed_in):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "changes": (1, 3600)}
    series = SeriesFactory(organizer=olga)
    for event in series.events.all():
        attends(event)
    client, path = signed_in(olga), f"/api/series/{series.pk}/"

    with CaptureQueriesContext(connection) as queries:
        client.patch(path, {"location": "Hall 1"})
    buckets = [query["sql"] for query in queries if "api_requestcount" in query["sql"]]
    first = len(deliver())
    client.patch(path, {"location": "Hall 2"})
    second = len(deliver())

    assert len(buckets) == 1
    assert (first, second) == (3, 0)


def test_the_last_of_many_changes_is_mailed_a_while_later(event, clock, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "changes": (4, 3600)}
    attends(event)
    for number in range(1, 5):
        move(event, number)
        deliver()

    move(event, 5)
    at_once = deliver()
    move(event, 6)
    clock.shift(15 * 60)
    [text] = deliver()

    assert at_once == []
    assert "Where: Hall 6\n" in text
    assert "This is how it was:\nWhere: Hall 4\n" in text

"""Limits of the e-mails that one account causes, by its actions and about its events."""

import pytest
from django.core import mail as django_mail

from accounts.models import Notification
from accounts.notifications.mailer import Mailer
from accounts.tests.factories import UserFactory
from conftest import NOW
from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.services import register
from registrations.tests.factories import registered, registered_silently

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

FILE = "name,email\nAda,ada@example.com\nBob,bob@example.com\n"


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "caused_mails": (3, 86400)}


@pytest.fixture
def event(olga) -> Event:
    event = EventFactory(organizer=olga)
    for _ in range(2):
        registered_silently(event)
    return event


def use_up(client, event: Event) -> None:
    """Two mails twice, of three."""
    for hall in ("Hall 1", "Hall 2"):
        response = client.patch(f"/api/events/{event.pk}/", {"location": hall})
        assert response.status_code == 200
        Notification.objects.update(state="sent")


def deliver() -> int:
    before = len(django_mail.outbox)
    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()
    return len(django_mail.outbox) - before


def refused(response) -> bool:
    return (response.status_code, response.json()["code"]) == (429, "rate_limited")


def test_edits_in_a_loop_are_refused_and_change_nothing(event, olga, signed_in):
    client = signed_in(olga)
    use_up(client, event)

    response = client.patch(f"/api/events/{event.pk}/", {"location": "Hall 3"})

    assert refused(response)
    assert int(response["Retry-After"]) <= 86400
    event.refresh_from_db()
    assert event.location == "Hall 2"
    assert Notification.objects.filter(state="pending").count() == 0


def test_an_edit_that_nobody_is_notified_of_passes(event, olga, signed_in):
    client = signed_in(olga)
    use_up(client, event)

    response = client.patch(f"/api/events/{event.pk}/", {"description": "New"})

    assert response.status_code == 200


def test_changes_of_undelivered_notifications_cost_nothing(event, olga, signed_in):
    client = signed_in(olga)

    statuses = {
        client.patch(f"/api/events/{event.pk}/", {"location": f"Hall {number}"}).status_code
        for number in range(9)
    }

    assert statuses == {200}
    assert Notification.objects.count() == 2


def test_imports_are_refused_unless_they_send_no_mail(event, olga, signed_in):
    client = signed_in(olga)
    use_up(client, event)
    url = f"/api/events/{event.pk}/attendees/import/"

    response = client.post(url, FILE, content_type="text/csv")
    silent = client.post(f"{url}?notify=false", FILE, content_type="text/csv")

    assert refused(response)
    assert silent.status_code == 201


def test_messages_are_refused(event, olga, signed_in):
    client = signed_in(olga)
    use_up(client, event)

    response = client.post(f"/api/events/{event.pk}/messages/", {"subject": "x", "body": "x"})

    assert refused(response)


def test_people_always_learn_that_an_event_is_off(event, olga, signed_in):
    client = signed_in(olga)
    use_up(client, event)
    other = EventFactory(organizer=olga)
    own = registered_silently(other)

    statuses = [
        client.post(f"/api/events/{event.pk}/cancel/").status_code,
        client.delete(f"/api/registrations/{own.pk}/").status_code,
    ]

    assert statuses == [200, 204]
    kinds = Notification.objects.filter(state="pending").order_by("kind")
    assert list(kinds.values_list("kind", flat=True)) == [
        "event_cancelled", "event_cancelled", "registration_cancelled",
    ]  # fmt: skip
    assert deliver() == 3


def test_mails_caused_by_others_are_not_counted_for_the_account(event, olga, max_, signed_in):
    use_up(signed_in(olga), event)
    others = EventFactory(organizer=max_)
    registered_silently(others)

    response = signed_in(max_).patch(f"/api/events/{others.pk}/", {"location": "Hall 3"})

    assert response.status_code == 200


def test_an_act_larger_than_the_limit_passes_once(event, olga, signed_in):
    for _ in range(5):
        registered_silently(event)
    client = signed_in(olga)

    first = client.patch(f"/api/events/{event.pk}/", {"location": "Hall 1"})
    Notification.objects.update(state="sent")
    second = client.patch(f"/api/events/{event.pk}/", {"location": "Hall 2"})

    assert (first.status_code, second.status_code) == (200, 429)


def test_mails_about_the_events_of_one_account_are_deferred_beyond_the_limit(olga, max_, clock):
    for _ in range(6):
        registered(EventFactory(organizer=olga))
    registered(EventFactory(organizer=max_))
    ana = UserFactory(email_verified_at=NOW)
    own = EventFactory(organizer=olga)
    register(own.pk, name="ana", email=ana.email, user=ana, registered_by=ana)

    first = deliver()
    waiting = Notification.objects.filter(state="pending")
    reasons = set(waiting.values_list("error", flat=True))
    clock.move_to(waiting[0].attempt_at)
    later = deliver()

    assert (first, later) == (3 + 1, 3)
    assert reasons == {"Very many e-mails about events of this organizer were sent today."}
    assert Registration.objects.count() == 8


def test_a_registration_counts_nothing(olga, anyone):
    event = EventFactory(organizer=olga)

    statuses = {
        anyone.post(
            f"/api/events/{event.pk}/register/",
            {"name": "Guest", "email": f"guest-{number}@example.com"},
        ).status_code
        for number in range(6)
    }

    assert statuses == {201}

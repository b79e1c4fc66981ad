"""Admin actions show how many people they notify; staff may turn notifications off."""

import pytest
from django.test import Client

from accounts.models import Notification
from accounts.tests.factories import UserFactory
from events.models import Event
from events.services import delete_event, edit_event, end_series
from events.tests.factories import EventFactory, SeriesFactory
from registrations.services import cancel_registration
from registrations.tests.factories import registered_silently

EVENTS = "/admin/events/event/"
SERIES = "/admin/events/series/"
REGISTRATIONS = "/admin/registrations/registration/"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def client(db, clock) -> Client:
    client = Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    return client


def act(client: Client, where: str, action: str, *rows, **answers: str):
    data = {"action": action, "_selected_action": [row.pk for row in rows], **answers}
    return client.post(where, data, follow=True)


def notified() -> list[tuple[str, str]]:
    return sorted(Notification.objects.values_list("kind", "email"))


@pytest.fixture
def events(db) -> list[Event]:
    """Two events with three people in all, one of them on a waitlist."""
    small = EventFactory(max_capacity=1, waitlist_enabled=True)
    large = EventFactory()
    for event, name in ((small, "a"), (small, "b"), (large, "c")):
        registered_silently(event, email=f"{name}@example.com")
    return [Event.objects.get(pk=event.pk) for event in (small, large)]


@pytest.mark.parametrize("action", ["cancel_events", "delete_selected"])
def test_question_shows_how_many_people_are_notified(client, events, action):
    page = act(client, EVENTS, action, *events)

    assert "Notify 3 people" in page.content.decode()
    assert notified() == []


@pytest.mark.parametrize("action", ["cancel_events", "delete_selected"])
def test_confirmed_action_notifies_everybody(client, events, action):
    act(client, EVENTS, action, *events, confirmed="yes", notify="on")

    assert notified() == [
        ("event_cancelled", "a@example.com"),
        ("event_cancelled", "b@example.com"),
        ("event_cancelled", "c@example.com"),
    ]


@pytest.mark.parametrize("action", ["cancel_events", "delete_selected"])
def test_confirmed_action_without_notifying_notifies_nobody(client, events, action):
    act(client, EVENTS, action, *events, confirmed="yes")

    assert notified() == []


def test_restoring_notifies_only_when_staff_choose_it(client, events):
    for event in events:
        delete_event(event, notify=False)
    where = f"{EVENTS}?deleted=yes"

    question = act(client, where, "restore_events", *events)
    act(client, where, "restore_events", events[0], confirmed="yes")
    act(client, where, "restore_events", events[1], confirmed="yes", notify="on")

    assert "Notify 3 people" in question.content.decode()
    assert notified() == [("event_restored", "c@example.com")]


def test_delete_page_offers_not_to_notify(client, events):
    page = client.get(f"{EVENTS}{events[0].pk}/delete/").content.decode()
    client.post(f"{EVENTS}{events[0].pk}/delete/", {"post": "yes"})
    client.post(f"{EVENTS}{events[1].pk}/delete/", {"post": "yes", "notify": "on"})

    assert "Notify 2 people" in page
    assert Event.objects.existing().count() == 0
    assert notified() == [("event_cancelled", "c@example.com")]


def test_draft_notifies_nobody(client):
    draft = EventFactory(status="draft")

    page = act(client, EVENTS, "delete_selected", draft).content.decode()

    assert "Notify nobody: none is registered" in page


@pytest.mark.parametrize(("answers", "kinds"), [({}, []), ({"notify": "on"}, ["event_cancelled"])])
def test_ending_a_series_notifies_only_when_staff_choose_it(client, olga, answers, kinds):
    series = SeriesFactory(organizer=olga)
    registered_silently(series.events.earliest("start_time"), email="a@example.com")

    question = act(client, SERIES, "delete_selected", series)
    act(client, SERIES, "delete_selected", series, confirmed="yes", **answers)

    assert "Notify 1 person" in question.content.decode()
    assert [kind for kind, _ in notified()] == kinds


def test_series_delete_page_offers_not_to_notify(client, olga):
    series = SeriesFactory(organizer=olga)
    registered_silently(series.events.earliest("start_time"))

    page = client.get(f"{SERIES}{series.pk}/delete/").content.decode()
    client.post(f"{SERIES}{series.pk}/delete/", {"post": "yes"})

    series.refresh_from_db()
    assert "Notify 1 person" in page
    assert series.deleted_at is not None
    assert notified() == []


def test_cancelling_a_registration_silently_still_notifies_the_promoted(client, events):
    seated = events[0].registrations.get(email="a@example.com")

    question = act(client, REGISTRATIONS, "cancel_registrations", seated)
    act(client, REGISTRATIONS, "cancel_registrations", seated, confirmed="yes")

    assert "Notify 1 person" in question.content.decode()
    assert notified() == [("registration_promoted", "b@example.com")]


def test_services_notify_by_default(events, olga):
    series = SeriesFactory(organizer=olga)
    registered_silently(series.events.earliest("start_time"), email="d@example.com")

    delete_event(events[1])
    end_series(series)
    cancel_registration(events[0].registrations.get(email="b@example.com"))

    assert notified() == [
        ("event_cancelled", "c@example.com"),
        ("event_cancelled", "d@example.com"),
        ("registration_cancelled", "b@example.com"),
    ]


# --- History ------------------------------------------------------------------------------------


def test_history_of_an_event_shows_its_audit_entries(client, event):
    edit_event(event, {"name": "Renamed"})

    page = client.get(f"{EVENTS}{event.pk}/history/").content.decode()

    assert f"name: {event.name} → Renamed" in page
    assert "edited" in page


def test_history_of_a_registration_has_the_ledger_as_well(client, event):
    registration = registered_silently(event)
    cancel_registration(registration)

    response = client.get(f"{REGISTRATIONS}{registration.pk}/history/")

    assert [entry.action for entry in response.context["entries"]] == ["cancelled", "registered"]


def test_history_is_for_staff_who_may_view_the_object(event, sam):
    client = Client()
    client.force_login(sam)

    assert client.get(f"{EVENTS}{event.pk}/history/").status_code == 403
    assert client.get(f"{EVENTS}{event.pk + 1}/history/").status_code == 404

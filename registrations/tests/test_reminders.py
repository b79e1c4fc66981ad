"""Periodic notifications: reminders, and invitations to give feedback."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django import app

from accounts.models import Notification
from conftest import NOW
from events.models import Event
from events.services import cancel_event, delete_event, edit_event
from events.tests.factories import EventFactory
from registrations.models import Feedback, Registration
from registrations.services import cancel_registration, register
from registrations.services.reminders import queue_feedback_invitations, queue_reminders
from registrations.tasks import ask_for_feedback, remind
from registrations.tests.factories import registered_silently
from registrations.tests.mails import due_mails, outline
from registrations.tickets import feedback_link

pytestmark = pytest.mark.django_db

START = NOW + timedelta(days=3)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


@pytest.fixture
def event(clock, olga) -> Event:
    return EventFactory(organizer=olga, name="Talk", start_time=START, end_time=START + hours(2))


def next_of(event: Event) -> object:
    return Event.objects.values_list("next_reminder_at", flat=True).get(pk=event.pk)


def test_everybody_with_a_seat_is_reminded_a_day_and_an_hour_before(clock, event):
    bob = registered_silently(event, email="bob@example.com")
    clock.move_to(START - hours(24) - timedelta(seconds=1))
    assert queue_reminders() == 0

    clock.move_to(START - hours(24))
    assert queue_reminders() == 1
    assert queue_reminders() == 0
    (day,) = due_mails()
    clock.move_to(START - hours(1))
    assert queue_reminders() == 1
    (hour,) = due_mails()
    clock.move_to(START + hours(9))
    assert queue_reminders() == 0

    assert (day.kind, day.to) == ("event_reminder", "bob@example.com")
    assert day.subject == "Talk starts in 24 hours"
    assert hour.subject == "Talk starts in 1 hour"
    assert bob.ticket_code in day.text
    assert (day.method, day.has_ticket) == ("REQUEST", True)
    assert next_of(event) is None


def test_waitlisted_and_cancelled_registrations_are_not_reminded(clock, olga):
    event = EventFactory(
        organizer=olga,
        start_time=START,
        end_time=START + hours(2),
        max_capacity=1,
        waitlist_enabled=True,
    )
    registered_silently(event, email="ada@example.com")
    registered_silently(event, email="dora@example.com")
    leaver = registered_silently(event, email="emil@example.com")
    cancel_registration(leaver)
    due_mails()
    clock.move_to(START - hours(24))

    assert queue_reminders() == 1
    assert outline() == [("event_reminder", "ada")]


def test_a_promotion_after_a_reminder_gets_the_next_one(clock, olga):
    event = EventFactory(
        organizer=olga,
        start_time=START,
        end_time=START + hours(2),
        max_capacity=1,
        waitlist_enabled=True,
    )
    first = registered_silently(event, email="ada@example.com")
    registered_silently(event, email="dora@example.com")
    clock.move_to(START - hours(24) + timedelta(seconds=1))  # the task is a little late
    cancel_registration(first)
    due_mails()

    assert queue_reminders() == 0
    clock.move_to(START - hours(1))
    assert queue_reminders() == 1
    assert outline() == [("event_reminder", "dora")]


def test_a_delayed_worker_reminds_once(clock, event):
    registered_silently(event)
    clock.move_to(START - timedelta(minutes=40))

    assert queue_reminders() == 1
    (mail,) = due_mails()
    assert mail.subject == "Talk starts in 40 minutes"


def test_a_reminder_moves_with_its_event(clock, event):
    registered_silently(event)
    edit_event(event, {"start_time": START + hours(48), "end_time": START + hours(50)})
    due_mails()
    clock.move_to(START - hours(24))
    assert queue_reminders() == 0

    clock.move_to(START + hours(24))
    assert queue_reminders() == 1
    (mail,) = due_mails()
    assert mail.subject == "Talk starts in 24 hours"


def test_an_event_that_is_moved_after_its_reminder_reminds_again(clock, event):
    registered_silently(event)
    clock.move_to(START - hours(24))
    queue_reminders()
    edit_event(event, {"start_time": START + hours(48), "end_time": START + hours(50)})

    assert [kind for kind, _ in outline()] == ["event_changed"]  # the old reminder is wrong
    clock.move_to(START + hours(24))
    assert queue_reminders() == 1
    assert [kind for kind, _ in outline()] == ["event_reminder"]


def test_a_move_into_the_reminder_time_sends_no_reminder(clock, event):
    registered_silently(event)
    edit_event(event, {"start_time": NOW + hours(5), "end_time": NOW + hours(6)})

    assert queue_reminders() == 0
    clock.move_to(NOW + hours(4))
    assert queue_reminders() == 1


def test_the_organizer_sets_the_hours(clock, event, olga, signed_in):
    registered_silently(event)
    signed_in(olga).patch(f"/api/events/{event.pk}/", {"reminder_hours": [2]})
    clock.move_to(START - hours(24))
    assert queue_reminders() == 0

    clock.move_to(START - hours(2))
    assert queue_reminders() == 1
    edited = edit_event(event, {"reminder_hours": []})
    assert next_of(edited) is None


@pytest.mark.parametrize("end", [cancel_event, delete_event])
def test_a_cancelled_event_has_no_reminders(clock, event, end):
    registered_silently(event)
    end(event)
    due_mails()
    clock.move_to(START - hours(24))

    assert queue_reminders() == 0


def test_a_reminder_is_dropped_when_the_event_is_cancelled_meanwhile(clock, event):
    registered_silently(event)
    clock.move_to(START - hours(24))
    queue_reminders()
    cancel_event(event)

    assert [kind for kind, _ in outline()] == ["event_cancelled"]


def test_a_reminder_that_is_late_is_dropped(clock, event):
    registered_silently(event)
    clock.move_to(START - hours(1))
    queue_reminders()
    clock.move_to(START)

    assert due_mails() == []


def test_reminders_for_many_events_take_few_statements(clock, olga):
    for number in range(6):
        event = EventFactory(
            organizer=olga,
            start_time=START,
            end_time=START + hours(2),
            reminder_hours=[24] if number % 2 else [24, 3],
        )
        registered_silently(event)
        registered_silently(event)
    clock.move_to(START - hours(24))

    with CaptureQueriesContext(connection) as queries:
        assert queue_reminders() == 12

    # What is due, the reminders of all, what is next, and that no more is due.
    assert len(queries) == 4


def test_due_reminders_are_read_by_an_index(clock, event):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    plan = Event.objects.filter(next_reminder_at__lte=NOW).order_by("next_reminder_at").explain()

    assert "Index Scan using reminders_due" in plan
    assert "Sort" not in plan


# --- how was it? ---


def attends(event: Event, user) -> Registration:
    return register(
        event.pk, name=user.username, email=user.email, user=user, registered_by=user, notify=False
    )


def test_accounts_that_attended_are_invited_a_day_later(clock, event, ana, max_):
    own = attends(event, ana)
    attends(event, max_)
    registered_silently(event)  # a guest cannot answer
    clock.move_to(event.end_time + hours(1))
    Feedback.objects.create(event=event, author=max_, rating=4)
    clock.move_to(event.end_time + hours(24) - timedelta(seconds=1))
    assert queue_feedback_invitations() == 0

    clock.move_to(event.end_time + hours(24))
    assert queue_feedback_invitations() == 1
    assert queue_feedback_invitations() == 0

    (mail,) = due_mails()
    assert (mail.kind, mail.to) == ("feedback_invitation", ana.email)
    assert mail.subject == "How was it? Talk"
    assert feedback_link(own.pk, ana.pk) in mail.text
    assert f'href="{feedback_link(own.pk, ana.pk)}"' in mail.html
    assert mail.attachments == []


def test_an_author_of_feedback_is_not_invited(clock, event, ana):
    attends(event, ana)
    clock.move_to(event.end_time + hours(24))
    queue_feedback_invitations()
    Feedback.objects.create(event=event, author=ana, rating=4)

    assert due_mails() == []


def test_the_hours_until_the_invitation_are_a_setting(clock, event, ana, settings):
    settings.FEEDBACK_INVITE_HOURS = 2
    attends(event, ana)
    clock.move_to(event.end_time + hours(2))

    assert queue_feedback_invitations() == 1


def test_cancelled_and_old_events_send_no_invitations(clock, olga, ana):
    events = [
        EventFactory(organizer=olga, start_time=START, end_time=START + hours(2)) for _ in range(3)
    ]
    for event in events:
        attends(event, ana)
    cancel_event(events[0])
    delete_event(events[1])
    due_mails()

    clock.move_to(START + timedelta(days=9))
    assert queue_feedback_invitations() == 0
    clock.move_to(START + timedelta(days=2))
    assert queue_feedback_invitations() == 1
    assert Notification.objects.get(kind="feedback_invitation").event_id == events[2].pk


def test_events_without_invitations_are_read_by_an_index(clock, olga, event):
    invited = EventFactory.build_batch(300, organizer=olga, feedback_asked_at=NOW)
    Event.objects.bulk_create(invited)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE events_event; SET LOCAL enable_bitmapscan = off")
    rows = Event.objects.published().filter(feedback_asked_at=None, end_time__lte=NOW)

    assert "Index Scan using feedback_not_asked" in rows.order_by("end_time").explain()


def test_the_periodic_tasks_queue_both(clock, event, ana):
    attends(event, ana)
    clock.move_to(START - hours(24))
    remind(timestamp=0)
    clock.move_to(event.end_time + hours(24))
    ask_for_feedback(timestamp=0)

    kinds = Notification.objects.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["event_reminder", "feedback_invitation"]
    assert {periodic.task.name: periodic.cron for periodic in _periodic()} == {
        "registrations.tasks.remind": "* * * * *",
        "registrations.tasks.ask_for_feedback": "*/5 * * * *",
    }


def _periodic() -> list:
    tasks = app.periodic_registry.periodic_tasks.values()
    return [periodic for periodic in tasks if periodic.task in (remind, ask_for_feedback)]

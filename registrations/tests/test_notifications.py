"""Notifications of attendees about their registrations and events, each sent once."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Notification, User
from accounts.tests.factories import PASSWORD, UserFactory
from conftest import NOW
from events.models import Event
from events.services import cancel_event, delete_event, edit_event, restore_event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.services import cancel_registration, register
from registrations.services.accounts import settle_accounts
from registrations.tests.concurrency import at_once
from registrations.tests.factories import registered, registered_silently
from registrations.tests.mails import due_mails, outline
from registrations.tickets import manage_link

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

LATER = NOW + timedelta(days=40)


@pytest.fixture
def event(olga) -> Event:
    """On 14 February 2027 from 13:00 to 15:00 in Berlin, online as well."""
    return EventFactory(
        organizer=olga,
        name="Talk & Tea",
        location="Hall 2",
        meeting_url="https://meet.example.com/tea",
        max_capacity=2,
        waitlist_enabled=True,
    )


def attends(event: Event, user: User, **fields: object) -> Registration:
    own = {"name": user.username, "email": user.email, "user": user, "registered_by": user}
    return register(event.pk, **own, **fields)


# --- confirmed and waitlisted ---


def test_a_confirmation_has_ticket_calendar_and_links(event):
    bob = registered(event, name="Bob", email="bob@example.com")

    (mail,) = due_mails()

    assert (mail.kind, mail.to) == ("registration_confirmed", "bob@example.com")
    assert mail.subject == "You have a seat: Talk & Tea"
    assert mail.notice == "14 February 2027, 13:00 (Europe/Berlin, CET), Hall 2"
    assert mail.text.startswith(
        "Hello Bob,\n\nyou have a seat.\n\nTalk & Tea\n"
        "When: Sunday, 14 February 2027, 13:00 – 15:00 (Europe/Berlin, CET)\n"
        "Where: Hall 2\n"
        "Online: https://meet.example.com/tea\n"
        f"Page: http://localhost:8000/e/{event.pk}-talk-tea\n\n"
        f"Your ticket: {bob.ticket_code}\n"
    )
    assert manage_link(bob.pk) in mail.text
    assert "Talk &amp; Tea" in mail.html
    assert f'href="{manage_link(bob.pk)}"' in mail.html
    assert (mail.method, mail.has_ticket) == ("REQUEST", True)
    assert "PARTSTAT=ACCEPTED;RSVP=FALSE:mailto:bob@example.com\r\n" in mail.calendar
    assert "https://meet.example.com/tea" in mail.calendar
    assert 'src="cid:ticket"' in mail.html


def test_times_are_in_the_zone_of_the_event_and_of_the_recipient(event):
    kim = UserFactory(username="kim", timezone="Asia/Kathmandu")
    attends(event, kim)

    (mail,) = due_mails()

    times = (
        "When: Sunday, 14 February 2027, 13:00 – 15:00 (Europe/Berlin, CET)\n"
        "For you: Sunday, 14 February 2027, 17:45 – 19:45 (Asia/Kathmandu, UTC+05:45)\n"
    )
    assert times in mail.text
    assert "For you: Sunday, 14 February 2027, 17:45 – 19:45" in mail.html
    assert mail.notice == "14 February 2027, 17:45 (Asia/Kathmandu, UTC+05:45), Hall 2"


def test_a_waitlist_mail_has_the_place_and_no_link_to_join(event):
    for _ in range(3):
        registered_silently(event)
    registered(event, email="dora@example.com")

    (mail,) = due_mails()

    assert (mail.kind, mail.to) == ("registration_waitlisted", "dora@example.com")
    assert "number 2 on the waitlist" in mail.text
    assert "STATUS:TENTATIVE" in mail.calendar
    assert not mail.has_ticket
    for part in (mail.text, mail.html, mail.notice, mail.calendar):
        assert "meet.example.com" not in part


def test_an_outdated_confirmation_is_dropped(event):
    cancelled = registered(event)
    cancel_registration(cancelled)
    called_off = registered(EventFactory())
    cancel_event(called_off.event)
    gone = registered(EventFactory())
    delete_event(gone.event)

    kinds = [mail.kind for mail in due_mails()]

    assert kinds == ["registration_cancelled", "event_cancelled", "event_cancelled"]


def test_a_promotion_before_the_waitlist_mail_replaces_it(event):
    first = registered_silently(event)
    registered_silently(event)
    registered(event, email="dora@example.com")
    cancel_registration(first)

    assert outline() == [
        ("registration_cancelled", first.email.partition("@")[0]),
        ("registration_promoted", "dora"),
    ]


def test_a_past_event_sends_no_mails(clock, event):
    registered(event)
    clock.move_to(event.end_time)

    assert due_mails() == []


# --- promoted ---


def test_promotions_are_mailed_once_each_in_order(event):
    for _ in range(2):
        registered_silently(event)
    for name in ("dora", "emil", "fred"):
        registered_silently(event, email=f"{name}@example.com")

    edit_event(event, {"max_capacity": 4})
    edit_event(event, {"max_capacity": None})

    mails = due_mails()
    assert [(mail.kind, mail.to.partition("@")[0]) for mail in mails] == [
        ("registration_promoted", "dora"),
        ("registration_promoted", "emil"),
        ("registration_promoted", "fred"),
    ]
    assert mails[0].subject == "A seat came free for you: Talk & Tea"
    assert (mails[0].method, mails[0].has_ticket) == ("REQUEST", True)
    assert "Online: https://meet.example.com/tea" in mails[0].text


# --- cancelled registrations ---


def test_a_cancellation_by_the_holder_is_mailed(ana, event, signed_in):
    registration = attends(event, ana)
    due_mails()
    for _ in range(2):
        signed_in(ana).delete(f"/api/registrations/{registration.pk}/")

    (mail,) = due_mails()

    assert (mail.kind, mail.to) == ("registration_cancelled", ana.email)
    assert "your registration is cancelled. If you change your mind" in mail.text
    assert "meet.example.com" not in mail.text + mail.html + mail.calendar
    assert (mail.method, mail.has_ticket) == ("CANCEL", False)
    assert "STATUS:CANCELLED" in mail.calendar
    assert set(Notification.objects.values_list("user", flat=True)) == {ana.pk}


def test_a_cancellation_by_the_organizer_names_the_organizer(event, olga, signed_in):
    registration = registered_silently(event)
    signed_in(olga).delete(f"/api/registrations/{registration.pk}/")

    (mail,) = due_mails()

    assert "the organizer has cancelled your registration." in mail.text
    assert mail.notice.startswith("The organizer cancelled it.")


def test_a_closed_account_gets_no_mails(ana, event, signed_in):
    attends(event, ana)
    past = EventFactory(start_time=NOW + timedelta(hours=1))
    attends(past, ana)

    assert signed_in(ana).delete("/api/me/", {"password": PASSWORD}).status_code == 204

    assert due_mails() == []


def test_a_registration_made_while_the_account_closes_is_cancelled_without_a_mail(ana, event):
    attends(event, ana, notify=False)
    User.objects.filter(pk=ana.pk).update(erased_at=NOW)

    settle_accounts()

    assert Registration.objects.get().status == "cancelled"
    assert not Notification.objects.exists()


# --- changed events ---


def test_a_change_of_time_and_location_has_the_former_ones(event):
    registered_silently(event, email="bob@example.com")
    start = event.start_time

    edit_event(
        event,
        {
            "start_time": start + timedelta(days=1),
            "end_time": start + timedelta(days=1, hours=1),
            "location": "Hall 3",
        },
    )

    (mail,) = due_mails()
    assert (mail.kind, mail.to) == ("event_changed", "bob@example.com")
    assert mail.subject == "New time and place: Talk & Tea"
    assert mail.notice == "15 February 2027, 13:00 (Europe/Berlin, CET), Hall 3"
    assert (
        "When: Monday, 15 February 2027, 13:00 – 14:00 (Europe/Berlin, CET)\n"
        "Where: Hall 3\n"
        "Online: https://meet.example.com/tea\n"
        f"Page: http://localhost:8000/e/{event.pk}-talk-tea\n\n"
        "This is how it was:\n"
        "When: Sunday, 14 February 2027, 13:00 – 15:00 (Europe/Berlin, CET)\n"
        "Where: Hall 2\n"
    ) in mail.text
    assert "<s>Hall 2</s>" in mail.html
    assert mail.method == "REQUEST"
    assert "SEQUENCE:1" in mail.calendar


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"location": "Hall 3"}, "New place: Talk & Tea"),
        ({"end_time": LATER}, "New time: Talk & Tea"),
        ({"meeting_url": "https://meet.example.com/2"}, "New link to join: Talk & Tea"),
    ],
)
def test_a_change_is_named(event, changes, subject):
    registered_silently(event)
    edit_event(event, changes)

    assert [mail.subject for mail in due_mails()] == [subject]


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "New"},
        {"name": "New"},
        {"max_capacity": 5},
        {"timezone": "Asia/Tokyo"},  # moves nobody's event
        {"location": "Hall 2"},
    ],
)
def test_other_changes_of_an_event_are_not_mailed(event, changes):
    registered_silently(event)
    edit_event(event, changes)

    assert not Notification.objects.exists()


def test_a_new_meeting_url_is_mailed_to_the_confirmed_only(event):
    names = ("ada", "bob", "dora")
    for name in names:
        registered_silently(event, email=f"{name}@example.com")

    edit_event(event, {"meeting_url": "https://meet.example.com/2"})
    assert outline() == [("event_changed", "ada"), ("event_changed", "bob")]

    edit_event(event, {"meeting_url": "https://meet.example.com/3", "location": "Hall 3"})
    mails = due_mails()
    assert [mail.to.partition("@")[0] for mail in mails] == ["ada", "bob", "dora"]
    assert "meet.example.com" not in mails[2].text + mails[2].html + mails[2].calendar
    assert "https://meet.example.com/3" in mails[0].text
    assert not Notification.objects.filter(facts__icontains="meet.example").exists()


def test_two_changes_before_the_mail_are_one_mail(event):
    registered_silently(event)
    edit_event(event, {"location": "Hall 3"})
    edit_event(event, {"end_time": LATER})
    edit_event(event, {"location": "Hall 4"})

    (mail,) = due_mails()

    assert mail.subject == "New time and place: Talk & Tea"
    assert "Where: Hall 2\n" in mail.text.partition("This is how it was")[2]
    assert "Hall 3" not in mail.text
    assert [row.state for row in Notification.objects.all()] == ["sent"]


def test_a_mailed_change_is_the_former_schedule_of_the_next(event):
    registered_silently(event)
    edit_event(event, {"location": "Hall 3"})
    due_mails()
    edit_event(event, {"end_time": LATER})
    edit_event(event, {"location": "Hall 4"})

    (mail,) = due_mails()

    assert "Where: Hall 3\n" in mail.text.partition("This is how it was")[2]


def test_a_change_reverted_before_the_mail_is_not_mailed(event):
    registered_silently(event)
    edit_event(event, {"location": "Hall 3"})
    edit_event(event, {"location": "Hall 2"})

    assert due_mails() == []


def test_a_change_reverted_after_the_mail_is_mailed(event):
    registered_silently(event)
    edit_event(event, {"location": "Hall 3"})
    due_mails()
    edit_event(event, {"location": "Hall 2"})

    (mail,) = due_mails()

    assert mail.subject == "New place: Talk & Tea"
    assert "Where: Hall 3" in mail.text.partition("This is how it was")[2]


def test_a_change_is_not_mailed_for_a_cancelled_registration(event):
    registration = registered_silently(event)
    edit_event(event, {"location": "Hall 3"})
    cancel_registration(registration)

    assert [kind for kind, _ in outline()] == ["registration_cancelled"]


def test_a_change_of_a_cancelled_event_is_not_mailed(event):
    registered_silently(event)
    edit_event(event, {"location": "Hall 3"})
    cancel_event(event)

    assert [kind for kind, _ in outline()] == ["event_cancelled"]


# --- cancelled and deleted events ---


def test_a_cancelled_event_is_mailed_once_to_each_attendee(event, olga, signed_in):
    for name in ("ada", "bob", "dora"):  # dora waits
        registered_silently(event, email=f"{name}@example.com")
    gone = registered_silently(event)
    cancel_registration(gone)
    due_mails()

    for _ in range(2):
        signed_in(olga).post(f"/api/events/{event.pk}/cancel/", {"reason": "A <flood>."})
    mails = due_mails()

    assert [(mail.kind, mail.to.partition("@")[0]) for mail in mails] == [
        ("event_cancelled", "ada"),
        ("event_cancelled", "bob"),
        ("event_cancelled", "dora"),
    ]
    assert mails[0].subject == "Cancelled: Talk & Tea"
    assert "A <flood>." in mails[0].text
    assert "A &lt;flood&gt;." in mails[0].html
    assert "meet.example.com" not in mails[0].text + mails[0].html + mails[0].calendar
    assert (mails[0].method, mails[0].has_ticket) == ("CANCEL", False)
    signed_in(olga).delete(f"/api/events/{event.pk}/")
    assert due_mails() == []


def test_a_deleted_event_is_mailed_like_a_cancelled_one(event):
    registered_silently(event, email="bob@example.com")
    delete_event(event)

    (mail,) = due_mails()

    assert (mail.kind, mail.to) == ("event_cancelled", "bob@example.com")
    assert "STATUS:CANCELLED" in mail.calendar


def test_a_restored_event_is_mailed_after_a_mailed_deletion(event):
    registered_silently(event, email="bob@example.com")
    delete_event(event)
    restore_event(event)
    assert due_mails() == []

    delete_event(event)
    restore_event(event)
    delete_event(event)
    assert outline() == [("event_cancelled", "bob")]

    restore_event(event)
    (mail,) = due_mails()
    assert (mail.kind, mail.subject) == ("event_restored", "It takes place after all: Talk & Tea")
    assert "your seat is still yours" in mail.text
    assert (mail.method, mail.has_ticket) == ("REQUEST", True)


def test_deleting_a_past_event_or_a_draft_notifies_nobody(clock, event):
    registered_silently(event)
    clock.move_to(event.end_time)
    cancel_event(event)
    delete_event(EventFactory(status="draft"))

    assert not Notification.objects.exists()


def crowded(event: Event, people: int) -> Event:
    """With so many seats taken, by rows alone."""
    Registration.objects.bulk_create(
        Registration(
            event=event,
            name=f"Guest {number}",
            email=f"guest{number}@example.com",
            status=Registration.Status.CONFIRMED,
            confirmed_at=NOW,
        )
        for number in range(people)
    )
    Event.objects.filter(pk=event.pk).update(max_capacity=None, registered_count=people)
    return event


def test_cancelling_notifies_thousands_once_each_with_constant_queries(event, olga, signed_in):
    client = signed_in(olga)
    costs = []

    for crowd in (crowded(event, 2_000), crowded(EventFactory(organizer=olga), 2)):
        with CaptureQueriesContext(connection) as queries:
            for _ in range(2):
                assert client.post(f"/api/events/{crowd.pk}/cancel/").status_code == 200
        costs.append(len(queries))

    rows = Notification.objects.filter(event_id=event.pk)
    assert costs[0] == costs[1]  # whatever the number of people
    assert rows.count() == 2_000
    assert rows.values("email").distinct().count() == 2_000


def test_a_batch_of_mails_reads_its_rows_together(event):
    cancel_event(crowded(event, 30))

    with CaptureQueriesContext(connection) as queries:
        assert len(due_mails()) == 30

    reads = [q["sql"] for q in queries if q["sql"].startswith("SELECT")]
    assert len(reads) == 2  # the rows, and all of their facts


# --- series ---


def test_a_change_of_a_series_is_mailed_to_the_attendees_of_each_event(olga, signed_in):
    client = signed_in(olga)
    fields = {"name": "Yoga", "location": "Park", "start_time": "2027-03-01T18:00"}
    rule = {"timezone": "Europe/Berlin", "recurrence": "FREQ=WEEKLY;COUNT=4"}
    series = client.post("/api/series/", fields | rule).json()
    first, second, *_ = Event.objects.filter(series_id=series["id"]).order_by("start_time")
    registered_silently(first, email="ada@example.com")
    registered_silently(second, email="bob@example.com")

    client.patch(f"/api/series/{series['id']}/", {"location": "Hall"})
    changed = due_mails()
    client.delete(f"/api/series/{series['id']}/")

    assert [(mail.kind, mail.to) for mail in changed] == [
        ("event_changed", "ada@example.com"),
        ("event_changed", "bob@example.com"),
    ]
    assert "Where: Park\n" in changed[1].text.partition("This is how it was")[2]
    assert sorted(outline()) == [("event_cancelled", "ada"), ("event_cancelled", "bob")]


# --- two at one moment ---


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_cancellations_notify_once(event, olga, signed_in):
    for name in ("ada", "bob"):
        registered_silently(event, email=f"{name}@example.com")

    clients = [signed_in(olga) for _ in range(4)]

    def cancelling(client) -> Callable[[], int]:
        return lambda: client.post(f"/api/events/{event.pk}/cancel/").status_code

    statuses = at_once(*map(cancelling, clients))

    assert statuses == [200] * 4
    assert sorted(outline()) == [("event_cancelled", "ada"), ("event_cancelled", "bob")]


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_change_is_not_mailed(event):
    registered_silently(event)

    with transaction.atomic():
        cancel_event(event)
        transaction.set_rollback(True)

    assert not Notification.objects.exists()

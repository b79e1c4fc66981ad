"""What attendees are told of their places and of events: one story each, and each but once."""

from concurrent.futures import ThreadPoolExecutor
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
from registrations.services.people import settle_accounts
from registrations.tests.factories import registered, untold
from registrations.tests.mails import outline, told
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


def test_who_gets_a_seat_gets_ticket_calendar_and_links(event):
    bob = registered(event, name="Bob", email="bob@example.com")

    (mail,) = told()

    assert (mail.kind, mail.to) == ("registration_confirmed", "bob@example.com")
    assert mail.subject == "You have a seat: Talk & Tea"
    assert mail.notice == "14 February 2027, 13:00 (Europe/Berlin, CET), Hall 2"
    assert mail.text.startswith(
        "Hello Bob,\n\nyou have a seat.\n\nTalk & Tea\n"
        "When: Sunday, 14 February 2027, 13:00 – 15:00 (Europe/Berlin, CET)\n"
        "Where: Hall 2\n"
        "Online: https://meet.example.com/tea\n\n"
        f"Your ticket: {bob.ticket_code}\n"
    )
    assert manage_link(bob.pk) in mail.text
    assert "Talk &amp; Tea" in mail.html
    assert f'href="{manage_link(bob.pk)}"' in mail.html
    assert (mail.method, mail.has_ticket) == ("REQUEST", True)
    assert "PARTSTAT=ACCEPTED;RSVP=FALSE:mailto:bob@example.com\r\n" in mail.calendar
    assert "https://meet.example.com/tea" in mail.calendar
    assert 'src="cid:ticket"' in mail.html


def test_times_are_told_in_the_zone_of_the_event_and_in_ones_own(event):
    kim = UserFactory(username="kim", timezone="Asia/Kathmandu")
    attends(event, kim)

    (mail,) = told()

    times = (
        "When: Sunday, 14 February 2027, 13:00 – 15:00 (Europe/Berlin, CET)\n"
        "For you: Sunday, 14 February 2027, 17:45 – 19:45 (Asia/Kathmandu, UTC+05:45)\n"
    )
    assert times in mail.text
    assert "For you: Sunday, 14 February 2027, 17:45 – 19:45" in mail.html
    assert mail.notice == "14 February 2027, 17:45 (Asia/Kathmandu, UTC+05:45), Hall 2"


def test_who_waits_is_told_the_place_and_no_link_to_join(event):
    for _ in range(3):
        untold(event)
    registered(event, email="dora@example.com")

    (mail,) = told()

    assert (mail.kind, mail.to) == ("registration_waitlisted", "dora@example.com")
    assert "number 2 on the waitlist" in mail.text
    assert "STATUS:TENTATIVE" in mail.calendar
    assert not mail.has_ticket
    for part in (mail.text, mail.html, mail.notice, mail.calendar):
        assert "meet.example.com" not in part


def test_a_confirmation_that_no_longer_holds_is_dropped(event):
    cancelled = registered(event)
    cancel_registration(cancelled)
    called_off = registered(EventFactory())
    cancel_event(called_off.event)
    gone = registered(EventFactory())
    delete_event(gone.event)

    kinds = [mail.kind for mail in told()]

    assert kinds == ["registration_cancelled", "event_cancelled", "event_cancelled"]


def test_who_waited_until_the_mail_went_is_told_of_the_seat_alone(event):
    first = untold(event)
    untold(event)
    registered(event, email="dora@example.com")
    cancel_registration(first)

    assert outline() == [
        ("registration_cancelled", first.email.partition("@")[0]),
        ("registration_promoted", "dora"),
    ]


def test_nothing_is_told_of_an_event_that_is_over(clock, event):
    registered(event)
    clock.move_to(event.end_time)

    assert told() == []


# --- promoted ---


def test_who_moves_up_is_told_once_each_in_order(event):
    for _ in range(2):
        untold(event)
    for name in ("dora", "emil", "fred"):
        untold(event, email=f"{name}@example.com")

    edit_event(event, {"max_capacity": 4})
    edit_event(event, {"max_capacity": None})

    mails = told()
    assert [(mail.kind, mail.to.partition("@")[0]) for mail in mails] == [
        ("registration_promoted", "dora"),
        ("registration_promoted", "emil"),
        ("registration_promoted", "fred"),
    ]
    assert mails[0].subject == "A seat came free for you: Talk & Tea"
    assert (mails[0].method, mails[0].has_ticket) == ("REQUEST", True)
    assert "Online: https://meet.example.com/tea" in mails[0].text


# --- cancelled registrations ---


def test_whoever_gives_a_place_up_is_told(ana, event, signed_in):
    registration = attends(event, ana)
    told()
    for _ in range(2):
        signed_in(ana).delete(f"/api/registrations/{registration.pk}/")

    (mail,) = told()

    assert (mail.kind, mail.to) == ("registration_cancelled", ana.email)
    assert "your registration is cancelled. If you change your mind" in mail.text
    assert "meet.example.com" not in mail.text + mail.html + mail.calendar
    assert (mail.method, mail.has_ticket) == ("CANCEL", False)
    assert "STATUS:CANCELLED" in mail.calendar
    assert set(Notification.objects.values_list("user", flat=True)) == {ana.pk}


def test_who_is_sent_away_is_told_by_whom(event, olga, signed_in):
    registration = untold(event)
    signed_in(olga).delete(f"/api/registrations/{registration.pk}/")

    (mail,) = told()

    assert "the organizer has cancelled your registration." in mail.text
    assert mail.notice.startswith("The organizer cancelled it.")


def test_an_account_that_ends_is_told_nothing_any_more(ana, event, signed_in):
    attends(event, ana)
    past = EventFactory(start_time=NOW + timedelta(hours=1))
    attends(past, ana)

    assert signed_in(ana).delete("/api/me/", {"password": PASSWORD}).status_code == 204

    assert told() == []


def test_a_place_taken_while_the_account_ended_is_given_back_in_silence(ana, event):
    attends(event, ana, notify=False)
    User.objects.filter(pk=ana.pk).update(erased_at=NOW)

    settle_accounts()

    assert Registration.objects.get().status == "cancelled"
    assert not Notification.objects.exists()


# --- changed events ---


def test_a_new_time_and_place_are_told_beside_the_old(event):
    untold(event, email="bob@example.com")
    start = event.start_time

    edit_event(
        event,
        {
            "start_time": start + timedelta(days=1),
            "end_time": start + timedelta(days=1, hours=1),
            "location": "Hall 3",
        },
    )

    (mail,) = told()
    assert (mail.kind, mail.to) == ("event_changed", "bob@example.com")
    assert mail.subject == "New time and place: Talk & Tea"
    assert mail.notice == "15 February 2027, 13:00 (Europe/Berlin, CET), Hall 3"
    assert (
        "When: Monday, 15 February 2027, 13:00 – 14:00 (Europe/Berlin, CET)\n"
        "Where: Hall 3\n"
        "Online: https://meet.example.com/tea\n\n"
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
    untold(event)
    edit_event(event, changes)

    assert [mail.subject for mail in told()] == [subject]


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
def test_what_is_no_change_of_time_or_place_is_not_told(event, changes):
    untold(event)
    edit_event(event, changes)

    assert not Notification.objects.exists()


def test_a_new_link_is_told_to_those_alone_who_may_have_it(event):
    names = ("ada", "bob", "dora")
    for name in names:
        untold(event, email=f"{name}@example.com")

    edit_event(event, {"meeting_url": "https://meet.example.com/2"})
    assert outline() == [("event_changed", "ada"), ("event_changed", "bob")]

    edit_event(event, {"meeting_url": "https://meet.example.com/3", "location": "Hall 3"})
    mails = told()
    assert [mail.to.partition("@")[0] for mail in mails] == ["ada", "bob", "dora"]
    assert "meet.example.com" not in mails[2].text + mails[2].html + mails[2].calendar
    assert "https://meet.example.com/3" in mails[0].text
    assert not Notification.objects.filter(facts__icontains="meet.example").exists()


def test_two_changes_before_the_mail_goes_are_one_mail_of_the_whole(event):
    untold(event)
    edit_event(event, {"location": "Hall 3"})
    edit_event(event, {"end_time": LATER})
    edit_event(event, {"location": "Hall 4"})

    (mail,) = told()

    assert mail.subject == "New time and place: Talk & Tea"
    assert "Where: Hall 2\n" in mail.text.partition("This is how it was")[2]
    assert "Hall 3" not in mail.text
    assert [row.state for row in Notification.objects.all()] == ["sent"]


def test_a_change_that_was_told_is_the_old_of_the_next(event):
    untold(event)
    edit_event(event, {"location": "Hall 3"})
    told()
    edit_event(event, {"end_time": LATER})
    edit_event(event, {"location": "Hall 4"})

    (mail,) = told()

    assert "Where: Hall 3\n" in mail.text.partition("This is how it was")[2]


def test_what_was_changed_back_before_the_mail_went_is_not_told(event):
    untold(event)
    edit_event(event, {"location": "Hall 3"})
    edit_event(event, {"location": "Hall 2"})

    assert told() == []


def test_what_was_changed_back_afterwards_is_told(event):
    untold(event)
    edit_event(event, {"location": "Hall 3"})
    told()
    edit_event(event, {"location": "Hall 2"})

    (mail,) = told()

    assert mail.subject == "New place: Talk & Tea"
    assert "Where: Hall 3" in mail.text.partition("This is how it was")[2]


def test_a_change_is_not_told_of_a_place_that_was_given_up(event):
    registration = untold(event)
    edit_event(event, {"location": "Hall 3"})
    cancel_registration(registration)

    assert [kind for kind, _ in outline()] == ["registration_cancelled"]


def test_a_change_of_an_event_that_is_called_off_is_not_told(event):
    untold(event)
    edit_event(event, {"location": "Hall 3"})
    cancel_event(event)

    assert [kind for kind, _ in outline()] == ["event_cancelled"]


# --- cancelled and deleted events ---


def test_everybody_is_told_once_that_an_event_is_cancelled(event, olga, signed_in):
    for name in ("ada", "bob", "dora"):  # dora waits
        untold(event, email=f"{name}@example.com")
    gone = untold(event)
    cancel_registration(gone)
    told()

    for _ in range(2):
        signed_in(olga).post(f"/api/events/{event.pk}/cancel/", {"reason": "A <flood>."})
    mails = told()

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
    assert told() == []


def test_a_deleted_event_is_told_like_a_cancelled_one(event):
    untold(event, email="bob@example.com")
    delete_event(event)

    (mail,) = told()

    assert (mail.kind, mail.to) == ("event_cancelled", "bob@example.com")
    assert "STATUS:CANCELLED" in mail.calendar


def test_an_event_that_is_back_is_told_to_whom_it_was_called_off(event):
    untold(event, email="bob@example.com")
    delete_event(event)
    restore_event(event)
    assert told() == []

    delete_event(event)
    restore_event(event)
    delete_event(event)
    assert outline() == [("event_cancelled", "bob")]

    restore_event(event)
    (mail,) = told()
    assert (mail.kind, mail.subject) == ("event_restored", "It takes place after all: Talk & Tea")
    assert "your seat is still yours" in mail.text
    assert (mail.method, mail.has_ticket) == ("REQUEST", True)


def test_the_end_of_a_past_event_or_a_draft_is_told_to_nobody(clock, event):
    untold(event)
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


def test_cancelling_answers_at_once_and_tells_thousands_once_each(event, olga, signed_in):
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


def test_what_a_batch_of_mails_needs_is_read_at_once(event):
    cancel_event(crowded(event, 30))

    with CaptureQueriesContext(connection) as queries:
        assert len(told()) == 30

    reads = [q["sql"] for q in queries if q["sql"].startswith("SELECT")]
    assert len(reads) == 2  # the rows, and all of their facts


# --- series ---


def test_a_change_of_a_series_is_told_to_those_of_each_event(olga, signed_in):
    client = signed_in(olga)
    fields = {"name": "Yoga", "location": "Park", "start_time": "2027-03-01T18:00"}
    rule = {"timezone": "Europe/Berlin", "recurrence": "FREQ=WEEKLY;COUNT=4"}
    series = client.post("/api/series/", fields | rule).json()
    first, second, *_ = Event.objects.filter(series_id=series["id"]).order_by("start_time")
    untold(first, email="ada@example.com")
    untold(second, email="bob@example.com")

    client.patch(f"/api/series/{series['id']}/", {"location": "Hall"})
    changed = told()
    client.delete(f"/api/series/{series['id']}/")

    assert [(mail.kind, mail.to) for mail in changed] == [
        ("event_changed", "ada@example.com"),
        ("event_changed", "bob@example.com"),
    ]
    assert "Where: Park\n" in changed[1].text.partition("This is how it was")[2]
    assert sorted(outline()) == [("event_cancelled", "ada"), ("event_cancelled", "bob")]


# --- two at one moment ---


@pytest.mark.django_db(transaction=True)
def test_of_two_cancellations_at_one_moment_one_tells(event, olga, signed_in):
    for name in ("ada", "bob"):
        untold(event, email=f"{name}@example.com")

    def cancel(client) -> int:
        try:
            return client.post(f"/api/events/{event.pk}/cancel/").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(cancel, [signed_in(olga) for _ in range(4)]))

    assert statuses == [200] * 4
    assert sorted(outline()) == [("event_cancelled", "ada"), ("event_cancelled", "bob")]


@pytest.mark.django_db(transaction=True)
def test_what_is_undone_is_not_told(event):
    untold(event)

    with transaction.atomic():
        cancel_event(event)
        transaction.set_rollback(True)

    assert not Notification.objects.exists()

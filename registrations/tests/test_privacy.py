"""`/api/me/export/` and `purge_personal_data`."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import AuditEntry, FormerAddress, Notification, Session, User
from accounts.notifications import notify
from accounts.services import confirm_email, edit_profile
from accounts.tests.factories import UserFactory, grant
from accounts.tokens import open_session
from conftest import NOW
from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import Feedback, LedgerEntry, Registration
from registrations.privacy import ROWS_OF_A_BATCH, SECTIONS
from registrations.services.integrity import find_faults
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


def exported(client, query: str = "") -> dict:
    response = client.get(f"/api/me/export/{query}")
    assert response.status_code == 200
    return json.loads(b"".join(response))


# --- the export ---


def test_the_export_has_unconfirmed_requests_of_a_confirmed_address(
    clock, ana, olga, anyone, signed_in
):
    event = EventFactory(organizer=olga, registration_mode="confirm_address")
    person = {"name": "Ana", "email": ana.email}
    made = anyone.post(f"/api/events/{event.pk}/register/", person)

    before = exported(signed_in(ana))["unconfirmed_registrations"]
    after = exported(signed_in(confirm_email(ana)))["unconfirmed_registrations"]

    assert made.status_code == 202
    assert before == []
    assert after == [
        {
            "event_id": event.pk,
            "email": ana.email,
            "expires_at": "2027-01-16T12:00:00Z",
            "event_name": event.name,
            "name": "Ana",
            "source": "",
            "show_name": False,
            "party_size": 1,
            "guests": [],
            "answers": {},
        }
    ]


def test_the_export_has_all_data_of_a_person(clock, ana, olga, max_, sam, event, signed_in):
    registered(event, name="Ana as a guest", email=ana.email)
    ana = confirm_email(ana)
    mine = EventFactory(organizer=ana, name="Mine")
    friend = registered(event, name="Friend", email="friend@example.com", registered_by=ana)
    Feedback.objects.create(event=event, author=ana, rating=4, comment="Good.")
    FormerAddress.objects.create(user=ana, email="ana@former.example.org")
    notify("password_changed", key="a", email=ana.email, user=ana)
    staff = signed_in(grant(sam, "accounts.change_user"))
    staff.patch(f"/api/users/{ana.pk}/", {"timezone": "Asia/Tokyo"})

    data = exported(signed_in(ana))

    assert data["exported_at"] == "2027-01-15T12:00:00Z"
    assert data["user"] == {
        "id": ana.pk,
        "username": "ana",
        "email": "ana@example.com",
        "email_verified_at": "2027-01-15T12:00:00Z",
        "pending_email": None,
        "role": "attendee",
        "timezone": "Asia/Tokyo",
        "is_staff": False,
        "notification_preferences": data["user"]["notification_preferences"],
        "date_joined": "2027-01-15T12:00:00Z",
        "last_login": None,
    }
    assert len(data["sessions"]) == 1
    assert data["former_addresses"] == [
        {"email": "ana@former.example.org", "left_at": "2027-01-15T12:00:00Z"}
    ]
    assert [row["name"] for row in data["registrations"]] == ["Ana as a guest"]
    assert data["registrations"][0]["event_name"] == event.name
    assert [row["id"] for row in data["registrations_for_others"]] == [str(friend.pk)]
    assert [row["id"] for row in data["events"]] == [mine.pk]
    assert {row["kind"] for row in data["history"]} == {"registered"}
    assert len(data["history"]) == 2
    assert [row["comment"] for row in data["feedback"]] == ["Good."]
    assert "password_changed" in {row["kind"] for row in data["notifications"]}
    assert {"action": "edited", "after": {"timezone": "Asia/Tokyo"}}.items() <= data["changes"][
        0
    ].items()


def test_the_export_has_no_data_of_others(ana, olga, max_, event, signed_in):
    registered(event, name="Max Stranger", email=max_.email, user=max_, registered_by=max_)
    notify("password_changed", key="m", email=max_.email, user=max_)
    open_session(max_)

    text = json.dumps(exported(signed_in(olga)))

    assert max_.email not in text
    assert "Stranger" not in text


def test_the_export_has_notifications_of_guests_once_the_address_is_confirmed(event, signed_in):
    registered(event, name="Vic", email="vic@example.com")
    claims = UserFactory(username="claims", email="vic@example.com", email_verified_at=None)

    before = exported(signed_in(claims))
    confirm_email(claims)
    after = exported(signed_in(claims))

    assert before["notifications"] == []
    assert [row["kind"] for row in after["notifications"]] == ["registration_confirmed"]


def test_the_export_is_a_file_in_the_requested_zone(clock, ana, signed_in):
    response = signed_in(ana).get("/api/me/export/?timezone=Asia/Kolkata")
    data = json.loads(b"".join(response))

    assert response["Content-Type"] == "application/json"
    assert response["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert response["Cache-Control"] == "no-store"
    assert data["exported_at"] == "2027-01-15T17:30:00+05:30"


def test_the_export_is_streamed_in_batches(ana, signed_in, django_assert_max_num_queries):
    for number in range(ROWS_OF_A_BATCH + 1):
        notify("password_changed", key=f"n{number}", email=ana.email, user=ana)
    client = signed_in(ana)

    with django_assert_max_num_queries(3 * len(SECTIONS)):
        rows = exported(client)["notifications"]

    assert len(rows) == ROWS_OF_A_BATCH + 1


def test_the_export_is_for_the_signed_in(anyone):
    assert anyone.get("/api/me/export/").status_code == 401


# --- the purge ---


def purge(*arguments: str) -> str:
    out = StringIO()
    call_command("purge_personal_data", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def old(clock, olga, ana, sam, signed_in) -> Registration:
    """Of an event of three years ago, with all that came of it."""
    clock.move_to(NOW - timedelta(days=3 * 365))
    event = EventFactory(organizer=olga)
    row = registered(event, name="Ana", email=ana.email, user=ana, registered_by=ana)
    signed_in(olga).post(f"/api/events/{event.pk}/check-in/", {"ticket_code": row.ticket_code})
    signed_in(olga).patch(f"/api/registrations/{row.pk}/", {"name": "Ana R."})
    edit_profile(ana, {"timezone": "Asia/Tokyo"})
    notify("password_changed", key="old", email=ana.email, user=ana)
    LogEntry.objects.create(
        user=sam,
        content_type=ContentType.objects.get_for_model(Registration),
        object_id=str(row.pk),
        object_repr="Ana <ana@example.com>",
        action_flag=CHANGE,
        action_time=timezone.now(),
    )
    Session.objects.update(created_at=timezone.now())
    clock.move_to(NOW)
    return row


def test_the_purge_changes_nothing_without_apply(old):
    output = purge("--older-than", "730d")

    old.refresh_from_db()
    assert old.name == "Ana R."
    assert "1 registrations" in output
    assert "Nothing was changed; --apply does it." in output
    assert Notification.objects.filter(key="old").exists()


@pytest.mark.parametrize("flag", ["--apply", "--yes"])
def test_the_purge_erases_attendees_and_retains_their_number(old, flag):
    recent = registered(EventFactory(), name="Bob", email="bob@example.com")
    event = old.event

    purge("--older-than", "730d", flag)

    old = Registration.objects.get(pk=old.pk)
    recent.refresh_from_db()
    event.refresh_from_db()
    assert (old.name, old.user, old.registered_by, old.checked_in_by) == (
        "Erased account",
        None,
        None,
        None,
    )
    assert old.email == f"erased-{old.pk}@invalid"
    assert (old.status, old.checked_in_at is not None) == ("confirmed", True)
    assert event.registered_count == 1
    assert list(LedgerEntry.objects.filter(event=event).values_list("kind", "actor")) == [
        ("registered", None),
        ("checked_in", None),
    ]
    assert recent.name == "Bob"
    assert list(find_faults()) == []


def test_the_purge_erases_sessions_notifications_and_records(old):
    open_session(User.objects.get(username="ana"))

    purge("--older-than", "730d", "--apply")

    assert Session.objects.count() == 1
    assert not Notification.objects.filter(key="old").exists()
    assert LogEntry.objects.get().object_repr == "(erased)"
    values = json.dumps(list(AuditEntry.objects.values_list("before", "after")))
    assert "Ana" not in values


def test_a_second_purge_changes_nothing(old):
    purge("--older-than", "730d", "--apply")

    output = purge("--older-than", "730d", "--apply")

    assert "0 registrations" in output


def test_the_purge_leaves_recent_data(old):
    purge("--older-than", "1200d", "--apply")

    old.refresh_from_db()
    assert old.name == "Ana R."


def test_the_purge_leaves_events_to_their_organizers(old, olga):
    purge("--older-than", "730d", "--apply")

    assert Event.objects.get().organizer == olga


@pytest.mark.parametrize("age", ["730", "0d", "-1d", "2y", "", "99999999d"])
def test_the_purge_needs_a_number_of_days(db, age):
    with pytest.raises(CommandError, match="such as 730d"):
        purge(f"--older-than={age}")

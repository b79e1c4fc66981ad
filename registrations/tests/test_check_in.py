"""Check-in of tickets, and the ledger."""

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.tests.factories import grant
from conftest import NOW
from events.models import Event
from events.services import edit_event
from events.tests.factories import EventFactory
from registrations.models import LedgerEntry, Registration
from registrations.services import cancel_registration, register
from registrations.tests.factories import registered
from registrations.tickets import manage_token

pytestmark = pytest.mark.django_db


def scan(client, event: Event, code: str, undo: str = ""):
    return client.post(f"/api/events/{event.pk}/check-in{undo}", {"ticket_code": code})


def test_a_second_scan_has_the_time_of_the_first(clock, event, olga, signed_in):
    registration, client = registered(event), signed_in(olga)

    first = scan(client, event, registration.ticket_code)
    clock.shift(60)
    second = scan(client, event, f" {registration.ticket_code.lower()} ")

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["already_checked_in"] is False
    assert first.json()["registration"]["checked_in_at"] == "2027-01-15T12:00:00Z"
    assert second.json()["already_checked_in"] is True
    assert second.json()["registration"]["checked_in_at"] == "2027-01-15T12:00:00Z"
    registration.refresh_from_db()
    assert (registration.checked_in_at, registration.checked_in_by) == (NOW, olga)


def test_undo_takes_a_check_in_back(event, olga, signed_in):
    registration, client = registered(event), signed_in(olga)
    scan(client, event, registration.ticket_code)

    undone = scan(client, event, registration.ticket_code, undo="/undo/")
    again = scan(client, event, registration.ticket_code, undo="/undo")

    assert (undone.status_code, again.status_code) == (200, 200)
    assert undone.json()["registration"]["checked_in_at"] is None
    assert scan(client, event, registration.ticket_code).json()["already_checked_in"] is False


def test_a_ticket_that_does_not_let_in_says_why(olga, signed_in):
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    cancelled, _ = registered(event), registered(event)
    cancel_registration(cancelled)
    waiting = registered(event)
    other = registered(EventFactory(organizer=olga))
    client = signed_in(olga)

    for registration, reason in (
        (cancelled, "cancelled"), (waiting, "waitlisted"), (other, "other_event"),
    ):  # fmt: skip
        for undo in ("", "/undo"):
            refused = scan(client, event, registration.ticket_code, undo)
            assert (refused.status_code, refused.json()["code"]) == (409, "ticket_not_valid")
            assert refused.json()["reason"] == reason
    assert scan(client, event, "NOSUCHCODE").status_code == 404
    assert scan(client, event, "").json()["errors"][0]["code"] == "blank"


def test_only_organizers_and_staff_check_in(anyone, ana, event, sam, signed_in):
    code = registered(event).ticket_code

    assert scan(anyone, event, code).status_code == 401
    assert scan(signed_in(ana), event, code).json()["code"] == "permission_denied"
    assert scan(signed_in(sam), event, code).json()["code"] == "permission_denied"
    staff = signed_in(grant(sam, "registrations.change_registration"))
    assert scan(staff, event, code).status_code == 200


def test_the_attendee_list_counts_checked_in_attendees(event, olga, signed_in):
    client = signed_in(olga)
    attendee = registered(event)
    registered(event)
    scan(client, event, attendee.ticket_code)
    path = f"/api/events/{event.pk}/attendees/"

    page = client.get(f"{path}?checked_in=true").json()

    assert page["counts"] == {"confirmed": 2, "waitlisted": 0, "checked_in": 1}
    assert [row["id"] for row in page["results"]] == [str(attendee.pk)]


# --- the ledger ---


def ledger(client, event: Event, query: str = "") -> list[tuple]:
    response = client.get(f"/api/events/{event.pk}/ledger/?{query}")
    assert response.status_code == 200, response.content
    return [
        (entry["kind"], entry["reason"], entry["actor"] and entry["actor"]["username"])
        for entry in response.json()["results"]
    ]


def test_the_ledger_has_kind_actor_and_reason(anyone, ana, olga, sam, signed_in):
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    client = signed_in(olga)
    guest = registered(event)
    own = register(event.pk, name="Ana", email=ana.email, user=ana, registered_by=ana)
    third, fourth = registered(event), registered(event)

    anyone.delete(f"/api/registrations/{guest.pk}/?token={manage_token(guest.pk)}")
    scan(client, event, own.ticket_code)
    scan(client, event, own.ticket_code, "/undo/")
    signed_in(ana).delete(f"/api/registrations/{own.pk}/")
    edit_event(event, {"max_capacity": 2})
    client.delete(f"/api/registrations/{third.pk}/")
    staff = signed_in(grant(sam, "registrations.change_registration"))
    staff.delete(f"/api/registrations/{fourth.pk}/")

    assert ledger(client, event) == [
        ("registered", "by_guest", None),
        ("queued", "by_attendee", "ana"),
        ("queued", "by_guest", None),
        ("queued", "by_guest", None),
        ("cancelled", "by_guest", None),
        ("promoted", "place_freed", None),
        ("checked_in", "by_organizer", "olga"),
        ("check_in_undone", "by_organizer", "olga"),
        ("cancelled", "by_attendee", "ana"),
        ("promoted", "place_freed", None),
        ("promoted", "event_edited", None),
        ("cancelled", "by_organizer", "olga"),
        ("cancelled", "by_staff", "sam"),
    ]
    assert ledger(client, event, f"registration={guest.pk}") == [
        ("registered", "by_guest", None),
        ("cancelled", "by_guest", None),
    ]


def test_only_organizers_and_staff_read_the_ledger(anyone, ana, event, sam, signed_in):
    path = f"/api/events/{event.pk}/ledger"

    assert anyone.get(path).status_code == 401
    assert signed_in(ana).get(path).status_code == 403
    assert signed_in(sam).get(path).status_code == 403
    staff = signed_in(grant(sam, "registrations.view_registration"))
    assert staff.get(path).status_code == 200
    assert staff.get(f"{path}?registration=x").json()["errors"][0]["code"] == "invalid"


def test_requests_without_a_change_leave_no_entry(event, olga, signed_in):
    registration = registered(event)
    for _ in range(2):
        cancel_registration(registration)
    full = EventFactory(organizer=olga, max_capacity=1)
    registered(full)
    signed_in(olga).post(f"/api/events/{full.pk}/register/")

    assert list(LedgerEntry.objects.order_by("id").values_list("kind", flat=True)) == [
        "registered", "cancelled", "registered",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries.update(kind="cancelled"),
        lambda entries: entries.update(at=NOW),
        lambda entries: entries._raw_delete(entries.db),
    ],
)
def test_the_database_refuses_to_rewrite_the_ledger(event, change):
    registered(event)

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        change(LedgerEntry.objects.all())


def test_a_purge_has_to_be_announced(event):
    registered(event)

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL registrations.ledger_purge = 'on'")
    LedgerEntry.objects.all()._raw_delete("default")

    assert not LedgerEntry.objects.exists()
    assert Registration.objects.exists()

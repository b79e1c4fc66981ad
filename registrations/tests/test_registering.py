"""Registering, reading a registration, cancelling it."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Notification
from accounts.tests.factories import grant
from conftest import NOW
from events.models import Event
from events.services import cancel_event, delete_event, edit_event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.tests.factories import registered
from registrations.tickets import manage_token

pytestmark = pytest.mark.django_db

BOB = {"name": "Bob", "email": "Bob@Example.com"}
EVE = {"name": "Eve", "email": "eve@example.com"}


def register(client, event: Event, **body):
    return client.post(f"/api/events/{event.pk}/register/", body)


def refusal(response) -> str:
    assert response.status_code == 409, response.content
    return response.json()["code"]


def counts(event: Event) -> tuple[int, int]:
    event.refresh_from_db()
    return event.registered_count, event.waitlist_count


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_guest_gets_a_seat_and_a_token(anyone, event, slash):
    response = anyone.post(f"/api/events/{event.pk}/register{slash}", BOB)

    made = response.json()
    assert response.status_code == 201
    assert (made["name"], made["email"], made["status"]) == ("Bob", "bob@example.com", "confirmed")
    assert made["event"]["id"] == event.pk
    assert made["waitlist_position"] is None
    assert made["confirmed_at"] == made["registered_at"]
    assert len(made["ticket_code"]) == 26
    assert made["ticket_url"].endswith(f"/api/registrations/{made['id']}/ticket.svg")
    assert response["Location"].endswith(f"/api/registrations/{made['id']}/")
    assert counts(event) == (1, 0)
    read = anyone.get(f"/api/registrations/{made['id']}/?token={made.pop('manage_token')}")
    assert read.json() == made


@pytest.mark.parametrize(
    ("capacity", "kind"), [(1, "registration_confirmed"), (0, "registration_waitlisted")]
)
def test_registering_enqueues_the_notification_in_the_same_transaction(
    anyone, olga, capacity, kind
):
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    if not capacity:
        register(anyone, event, name="First", email="first@example.com")

    made = register(anyone, event, **BOB).json()

    notification = Notification.objects.get(registration_id=made["id"])
    assert (notification.kind, notification.key, notification.email) == (
        kind,
        f"{kind}:{made['id']}",
        "bob@example.com",
    )
    assert (notification.user, notification.event_id) == (None, event.pk)
    assert (
        notification.due_at
        == notification.created_at
        == Registration.objects.get(pk=made["id"]).registered_at
    )


def test_a_refused_registration_enqueues_no_notification(anyone, olga):
    event = EventFactory(organizer=olga, max_capacity=1)
    register(anyone, event, name="First", email="first@example.com")

    assert refusal(register(anyone, event, **BOB)) == "event_full"
    assert Notification.objects.count() == 1


def test_a_signed_in_caller_may_send_an_empty_body(ana, event, signed_in):
    response = signed_in(ana).post(f"/api/events/{event.pk}/register")

    made = response.json()
    assert response.status_code == 201
    assert (made["name"], made["email"]) == ("ana", "ana@example.com")
    assert "manage_token" not in made
    assert Registration.objects.get().user == ana


def test_a_signed_in_caller_may_give_a_name(ana, event, signed_in):
    assert register(signed_in(ana), event, name="Ana García").json()["name"] == "Ana García"


def test_another_address_makes_a_guest_that_the_caller_manages(ana, max_, event, signed_in):
    client = signed_in(ana)
    made = register(client, event, **BOB).json()
    path = f"/api/registrations/{made['id']}/"

    assert "manage_token" in made
    assert Registration.objects.get().user is None
    assert client.get(path).status_code == 200
    assert signed_in(max_).get(path).status_code == 404
    listed = client.get("/api/me/registrations/").json()["results"]
    assert [row["id"] for row in listed] == [made["id"]]
    assert client.delete(path).status_code == 204


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"name": "required", "email": "required"}),
        ({"name": "Bob"}, {"email": "required"}),
        ({"email": "bob@example.com"}, {"name": "required"}),
        ({"name": "", "email": "bob@example.com"}, {"name": "blank"}),
        ({"name": "Bob", "email": "bob"}, {"email": "invalid"}),
        ({"name": "Bob\r\nBcc: x", "email": "bob@example.com"}, {"name": "invalid"}),
        ({"name": "x" * 201, "email": "bob@example.com"}, {"name": "max_length"}),
    ],
)
def test_an_invalid_field_of_a_guest_is_named(anyone, event, body, expected):
    response = register(anyone, event, **body)

    assert response.status_code == 400
    codes = {error["field"]: error["code"] for error in response.json()["errors"]}
    assert codes == expected


def test_one_address_registers_once_in_any_case(anyone, event):
    register(anyone, event, **BOB)

    again = register(anyone, event, name="Bob", email="BOB@EXAMPLE.COM")

    assert refusal(again) == "already_registered"
    assert set(again.json()) == {"type", "title", "status", "detail", "code", "request_id"}
    assert counts(event) == (1, 0)


def test_the_third_guest_on_two_seats_is_refused(anyone, olga):
    event = EventFactory(organizer=olga, max_capacity=2)
    for name in ("a", "b"):
        assert register(anyone, event, name=name, email=f"{name}@example.com").status_code == 201

    refused = register(anyone, event, name="c", email="c@example.com")

    assert refusal(refused) == "event_full"
    assert refused.json()["max_capacity"] == 2
    assert refused.json()["detail"] == (
        "All 2 seats are taken. Try again later: a seat becomes free when somebody cancels."
    )
    assert counts(event) == (2, 0)


@pytest.fixture
def sold_out(olga, anyone) -> Event:
    """One seat, taken, and a guest who was refused."""
    event = EventFactory(organizer=olga, max_capacity=1)
    registered(event, email="first@example.com")
    assert refusal(register(anyone, event, **EVE)) == "event_full"
    return event


def test_a_sold_out_event_refuses_by_reading_only(anyone, sold_out):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        refused = register(anyone, sold_out, **BOB)

        assert refusal(refused) == "event_full"
        assert refused.json()["max_capacity"] == 1
        transaction.set_rollback(True)


def test_a_freed_seat_is_available_at_once(anyone, sold_out):
    cancel(anyone, Registration.objects.get(email="first@example.com"))

    assert register(anyone, sold_out, **BOB).json()["status"] == "confirmed"
    assert refusal(register(anyone, sold_out, **EVE)) == "event_full"
    assert counts(sold_out) == (1, 0)


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"max_capacity": 2}, "confirmed"),
        ({"max_capacity": None}, "confirmed"),
        ({"waitlist_enabled": True}, "waitlisted"),
    ],
)
def test_changes_of_another_process_apply_at_once(anyone, sold_out, facts, status):
    Event.objects.filter(pk=sold_out.pk).update(**facts)

    assert register(anyone, sold_out, **BOB).json()["status"] == status


class TestOrderOfRefusals:
    """The first reason that applies is reported, also for an event that was last read as full."""

    @pytest.fixture(params=[False, True], ids=["", "was_full"])
    def opens(self, clock, olga, anyone, request) -> Event:
        event = EventFactory(organizer=olga, max_capacity=1)
        registered(event, email="bob@example.com")
        if request.param:
            assert refusal(register(anyone, event, **EVE)) == "event_full"
        return event

    def test_cancelled_event_takes_precedence(self, anyone, opens):
        cancel_event(opens)
        Event.objects.filter(pk=opens.pk).update(start_time=NOW - timedelta(days=1))

        assert refusal(register(anyone, opens, **BOB)) == "event_cancelled"

    def test_draft_is_not_found_except_by_its_organizer(self, anyone, olga, max_, opens, signed_in):
        Event.objects.update(status="draft", start_time=NOW - timedelta(days=1))

        assert refusal(register(signed_in(olga), opens, **BOB)) == "event_not_published"
        assert register(anyone, opens, **BOB).status_code == 404
        assert register(signed_in(max_), opens).status_code == 404

    def test_started_event_is_refused_before_its_window(self, anyone, opens):
        Event.objects.update(start_time=NOW, registration_closes_at=NOW - timedelta(days=1))

        assert refusal(register(anyone, opens, **BOB)) == "event_started"

    def test_registration_that_is_not_open_is_refused_before_a_closed_one(self, anyone, opens):
        opening = NOW + timedelta(hours=1)
        Event.objects.update(registration_opens_at=opening, registration_closes_at=NOW)

        refused = register(anyone, opens, **BOB)

        assert refusal(refused) == "registration_not_open"
        assert refused.json()["opens_at"] == "2027-01-15T13:00:00Z"

    def test_closed_registration_is_refused_before_an_address(self, anyone, opens):
        Event.objects.update(registration_closes_at=NOW)

        assert refusal(register(anyone, opens, **BOB)) == "registration_closed"

    def test_registered_address_is_refused_before_a_full_event(self, anyone, opens):
        assert refusal(register(anyone, opens, **BOB)) == "already_registered"

    def test_deleted_event_is_not_found(self, anyone, opens):
        delete_event(opens)

        assert register(anyone, opens, **BOB).status_code == 404
        assert anyone.post("/api/events/999999/register/", BOB).status_code == 404


# --- the database refuses what code might get wrong ---


def test_overbooking_is_refused_by_the_database(olga):
    event = EventFactory(organizer=olga, max_capacity=1)

    with pytest.raises(IntegrityError, match="event_not_overbooked"), transaction.atomic():
        Event.objects.filter(pk=event.pk).update(registered_count=2)


def test_a_second_live_row_of_an_address_is_refused_by_the_database(event):
    first = registered(event)
    second = registered(event)

    with (
        pytest.raises(IntegrityError, match="one_live_registration_per_address"),
        transaction.atomic(),
    ):
        Registration.objects.filter(pk=second.pk).update(email=first.email)


# --- the queue ---


@pytest.fixture
def popular(olga) -> Event:
    """One seat, taken, and an open queue."""
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    registered(event, email="first@example.com")
    return event


def positions(event: Event) -> list[tuple[str, str, int | None]]:
    rows = Registration.objects.filter(event=event).for_display().order_by("queue_number")
    return [(row.name, row.status, row.position) for row in rows.live()]


def test_a_full_event_queues(anyone, popular):
    second = register(anyone, popular, name="Two", email="two@example.com").json()
    third = register(anyone, popular, name="Three", email="three@example.com").json()

    assert (second["status"], second["waitlist_position"]) == ("waitlisted", 1)
    assert (third["status"], third["waitlist_position"]) == ("waitlisted", 2)
    assert second["confirmed_at"] is None
    assert counts(popular) == (1, 2)
    response_body = anyone.get(f"/api/events/{popular.pk}/").json()
    assert (response_body["registration_state"], response_body["waitlist_count"]) == ("waitlist", 2)


def test_a_cancellation_promotes_the_first_of_the_queue(anyone, popular):
    waiting = [registered(popular, name=f"W{number}") for number in (1, 2)]
    seat = Registration.objects.get(email="first@example.com")

    cancel(anyone, seat)

    assert positions(popular) == [("W1", "confirmed", None), ("W2", "waitlisted", 1)]
    assert counts(popular) == (1, 1)
    waiting[0].refresh_from_db()
    assert waiting[0].confirmed_at is not None


def cancel(client, registration: Registration):
    token = manage_token(registration.pk)
    return client.delete(f"/api/registrations/{registration.pk}/?token={token}")


def test_closing_accounts_the_queue_advances_the_others(anyone, popular):
    first, _, _ = (registered(popular, name=f"W{number}") for number in (1, 2, 3))

    cancel(anyone, first)

    assert [row[0::2] for row in positions(popular)[:2]] == [("W2", 1), ("W3", 2)]
    assert counts(popular) == (1, 2)


def test_a_higher_capacity_promotes_in_order(popular, olga, signed_in):
    for number in range(1, 4):
        registered(popular, name=f"W{number}")

    response_body = signed_in(olga).patch(f"/api/events/{popular.pk}/", {"max_capacity": 3}).json()

    assert (response_body["registered_count"], response_body["waitlist_count"]) == (3, 1)
    assert [row[:2] for row in positions(popular)[:3]] == [
        ("W1", "confirmed"),
        ("W2", "confirmed"),
        ("W3", "waitlisted"),
    ]


def test_an_unlimited_capacity_promotes_everybody(popular):
    for _ in range(3):
        registered(popular)

    edit_event(popular, {"max_capacity": None})

    assert counts(popular) == (4, 0)


def test_nobody_is_promoted_once_registration_is_closed(clock, anyone, popular):
    edit_event(popular, {"registration_closes_at": NOW + timedelta(days=1)})
    waiting = registered(popular)
    clock.shift(timedelta(days=1))

    cancel(anyone, Registration.objects.get(email="first@example.com"))

    waiting.refresh_from_db()
    assert waiting.status == "waitlisted"
    assert counts(popular) == (0, 1)


def test_reopening_registration_promotes(clock, anyone, popular):
    test_nobody_is_promoted_once_registration_is_closed(clock, anyone, popular)

    edit_event(popular, {"registration_closes_at": None})

    assert counts(popular) == (1, 0)


def test_a_disabled_waitlist_still_promotes_its_queue(anyone, popular):
    waiting = registered(popular)
    edit_event(popular, {"waitlist_enabled": False})

    refused = register(anyone, popular, **BOB)
    cancel(anyone, Registration.objects.get(email="first@example.com"))

    waiting.refresh_from_db()
    assert refusal(refused) == "event_full"
    assert waiting.status == "confirmed"


def test_registering_again_is_at_the_end_of_the_queue(anyone, popular):
    first = registered(popular, name="W1", email="w1@example.com")
    registered(popular, name="W2")
    cancel(anyone, first)

    again = registered(popular, name="W1", email="w1@example.com")

    assert again.pk != first.pk
    assert (again.status, again.position) == ("waitlisted", 2)


# --- one registration ---


def test_cancel_frees_the_seat_once(anyone, event):
    registration = registered(event)

    first = cancel(anyone, registration)
    second = cancel(anyone, registration)

    registration.refresh_from_db()
    assert (first.status_code, second.status_code) == (204, 204)
    assert registration.status == "cancelled"
    assert registration.cancelled_at is not None
    assert counts(event) == (0, 0)


def test_after_the_start_registrations_cannot_be_cancelled(clock, anyone, event):
    confirmed, given_back = registered(event), registered(event)
    cancel(anyone, given_back)
    clock.move_to(event.start_time)

    assert refusal(cancel(anyone, confirmed)) == "event_started"
    assert cancel(anyone, given_back).status_code == 204


def test_registrations_of_a_cancelled_event_may_be_cancelled(anyone, popular):
    waiting = registered(popular)
    cancel_event(popular)

    assert cancel(anyone, Registration.objects.get(email="first@example.com")).status_code == 204

    waiting.refresh_from_db()
    assert waiting.status == "waitlisted"


def test_a_registration_is_visible_to_its_people(anyone, ana, max_, olga, sam, event, signed_in):
    registration = registered(event, email=ana.email, user=ana, registered_by=ana)
    path = f"/api/registrations/{registration.pk}/"

    for client in (anyone, signed_in(max_), signed_in(sam)):
        for method in ("get", "patch", "delete"):
            assert getattr(client, method)(path).status_code == 404
    for user in (ana, olga, grant(sam, "registrations.view_registration")):
        assert signed_in(user).get(path).status_code == 200
    assert anyone.get(f"{path}?token=made-up").status_code == 404
    assert anyone.get("/api/registrations/not-a-uuid/").status_code == 404


def test_a_token_opens_its_own_registration_only(anyone, event):
    mine, other = registered(event), registered(event)

    response = anyone.get(f"/api/registrations/{other.pk}/?token={manage_token(mine.pk)}")

    assert response.status_code == 404


def test_the_name_can_be_corrected_on_a_full_event(ana, popular, signed_in):
    client = signed_in(ana)
    made = register(client, popular).json()

    response_body = client.patch(f"/api/registrations/{made['id']}/", {"name": "Ana G."})

    assert response_body.status_code == 200
    assert (response_body.json()["name"], response_body.json()["email"]) == ("Ana G.", ana.email)


def test_the_meeting_url_is_for_the_confirmed(anyone, popular):
    edit_event(popular, {"meeting_url": "https://meet.example.com/x"})
    waiting = register(anyone, popular, **BOB).json()

    assert waiting["meeting_url"] is None
    cancel(anyone, Registration.objects.get(email="first@example.com"))
    path = f"/api/registrations/{waiting['id']}/?token={waiting['manage_token']}"
    assert anyone.get(path).json()["meeting_url"] == "https://meet.example.com/x"


@pytest.mark.parametrize(("kind", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_ticket_is_an_image_for_those_who_may_see_it(anyone, event, kind, magic):
    registration = registered(event)
    path = f"/api/registrations/{registration.pk}/ticket.{kind}"

    response = anyone.get(f"{path}?token={manage_token(registration.pk)}")

    assert anyone.get(path).status_code == 404
    assert response["Content-Type"].startswith("image/")
    assert response.content.startswith(magic)


def test_my_registrations_are_filtered_by_event_and_status(ana, olga, signed_in):
    client = signed_in(ana)
    for name in ("Alpha", "Beta"):
        register(client, EventFactory(organizer=olga, name=name))
    Registration.objects.filter(event__name="Beta").update(status="cancelled", cancelled_at=NOW)

    def listed(query: str) -> list[str]:
        rows = client.get(f"/api/me/registrations/{query}").json()["results"]
        return [row["event"]["name"] for row in rows]

    assert listed("") == ["Alpha", "Beta"]
    assert listed("?status=cancelled") == ["Beta"]
    assert listed("?name=alp") == ["Alpha"]
    assert listed("?ordering=-start_time") == ["Beta", "Alpha"]
    assert listed("?search=beta") == ["Beta"]
    assert listed("?when=past") == []

"""Races of concurrent clients, each with its own database connection."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.links import reset_link
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.test_links import token_in
from events.models import Event
from events.services import edit_event, lock_event
from events.tests.factories import EventFactory
from registrations.models import LedgerEntry, Registration
from registrations.services import (
    cancel_registration,
    check_in,
    close_account,
    register,
)
from registrations.services.accounts import join_guest_registrations
from registrations.services.forms import put_form
from registrations.services.integrity import find_faults
from registrations.services.reminders import queue_feedback_invitations, queue_reminders
from registrations.tests.concurrency import at_once, wait_until_blocked
from registrations.tests.factories import registered
from registrations.tickets import manage_token

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]

GROWING = ("registrations_registration", "registrations_ledgerentry", "accounts_notification")


def posted(event: Event, number: int) -> Callable[[], int]:
    body = {"name": f"N{number}", "email": f"n{number}@example.com"}
    # Or it would raise the exceptions of other threads' requests too.
    client = APIClient()
    client.raise_request_exception = False
    return lambda: client.post(f"/api/events/{event.pk}/register/", body).status_code


def assert_sound() -> None:
    assert list(find_faults()) == []


@pytest.mark.parametrize("_round", range(3))
def test_64_clients_take_20_seats_and_no_more(_round):
    event = EventFactory(max_capacity=20)

    codes = at_once(*(posted(event, number) for number in range(64)))

    assert Counter(codes) == {201: 20, 409: 44}
    assert_sound()


def test_16_clients_take_a_limited_option_5_times_while_others_cancel():
    options = [{"value": value, "label": value, "limit": 5} for value in ("vegan", "any")]
    question = {"key": "diet", "label": "Food", "type": "choice", "required": True}
    defaults = {"help": "", "active": True, "ask": "registrant", "min": None, "max": None}
    rest = {"options": options, "show_if": None, "retention_days": None}
    event = put_form(EventFactory(), [{**question, **defaults, **rest}])
    early = [registered(event, answers={"diet": "any"}) for _ in range(5)]

    def registering(number: int) -> Callable[[], int]:
        body = {"name": "N", "email": f"n{number}@example.com", "answers": {"diet": "vegan"}}
        path = f"/api/events/{event.pk}/register/"
        return lambda: APIClient().post(path, body, format="json").status_code

    def moving(registration: Registration) -> Callable[[], int]:
        path = f"/api/registrations/{registration.pk}/?token={manage_token(registration.pk)}"
        body = {"answers": {"diet": "vegan"}}
        return lambda: APIClient().patch(path, body, format="json").status_code

    codes = at_once(*map(registering, range(11)), *map(moving, early))

    assert Counter(code for code in codes if code in {200, 201}).total() == 5
    assert set(codes) <= {200, 201, 409}
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_hand_ons_and_a_registration_of_one_address_leave_one_live_registration(_round):
    event = EventFactory(max_capacity=9)
    registrations = [registered(event) for _ in range(8)]
    ann = {"email": "ann@example.com"}

    def handing_on(registration: Registration) -> Callable[[], int]:
        path = f"/api/registrations/{registration.pk}/?token={manage_token(registration.pk)}"
        return lambda: APIClient().patch(path, ann).status_code

    def registering() -> int:
        body = {"name": "Ann", **ann}
        return APIClient().post(f"/api/events/{event.pk}/register/", body).status_code

    codes = at_once(registering, *map(handing_on, registrations))

    assert Counter(codes)[409] == 8
    assert Registration.objects.live().filter(event=event, **ann).count() == 1
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_cancellation_and_hand_on_at_once_leave_one_of_both_results(_round):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    seat, next_in_queue = registered(event), registered(event)
    path = f"/api/registrations/{seat.pk}/?token={manage_token(seat.pk)}"

    codes = at_once(
        lambda: APIClient().patch(path, {"email": "ann@example.com"}).status_code,
        lambda: APIClient().delete(path).status_code,
    )

    seat.refresh_from_db()
    next_in_queue.refresh_from_db()
    assert (codes, seat.status, next_in_queue.status) in [
        ([409, 204], "cancelled", "confirmed"),
        ([200, 404], "confirmed", "waitlisted"),
    ]
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_64_clients_take_20_seats_and_consecutive_queue_numbers(_round):
    event = EventFactory(max_capacity=20, waitlist_enabled=True)

    codes = at_once(*(posted(event, number) for number in range(64)))

    assert Counter(codes) == {201: 64}
    assert_sound()
    queue = Registration.objects.filter(event=event).waitlisted()
    assert list(queue.values_list("queue_number", flat=True)) == list(range(1, 45))


@pytest.mark.parametrize("has_queue", [True, False])
@pytest.mark.parametrize("_round", range(3))
def test_imports_and_guests_at_once_take_every_seat_once(olga, signed_in, has_queue, _round):
    event = EventFactory(organizer=olga, max_capacity=30, waitlist_enabled=has_queue)
    rows = "".join(f"N{number},n{number}@example.com\n" for number in range(40))
    path = f"/api/events/{event.pk}/attendees/import/?partial=true"
    clients = [signed_in(olga) for _ in range(2)]

    def imported(client: APIClient) -> Callable[[], int]:
        body = f"name,email\n{rows}".encode()
        client.raise_request_exception = False

        def post() -> int:  # again after each 503: few imports run at once
            response = client.generic("POST", path, body, "text/csv")
            return post() if response.status_code == 503 else response.status_code

        return post

    guests = [posted(event, number) for number in range(0, 60, 5)]
    codes = at_once(*(imported(client) for client in clients), *guests)

    # The later one finds everybody registered, and an import that saves nothing is 400.
    assert sorted(codes[:2]) in ([201, 201], [201, 400])
    assert set(codes[2:]) <= {201, 409}
    event.refresh_from_db()
    live = Registration.objects.filter(event=event).count()
    assert (event.registered_count, event.waitlist_count) == (30, live - 30)
    assert (live > 30) is has_queue
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_one_address_of_many_clients_registers_once(_round):
    event = EventFactory()

    codes = at_once(*(posted(event, 1) for _ in range(16)))

    assert Counter(codes) == {201: 1, 409: 15}
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_repeated_cancellation_at_once_promotes_one(_round):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    seat = registered(event)
    registered(event)
    registered(event)

    at_once(*(lambda: cancel_registration(seat) for _ in range(8)))

    assert_sound()
    event.refresh_from_db()
    assert (event.registered_count, event.waitlist_count) == (1, 1)


@pytest.mark.parametrize("_round", range(3))
def test_a_newcomer_never_overtakes_the_queue(_round):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    seat = registered(event)
    first = registered(event, name="first in the queue")

    at_once(lambda: cancel_registration(seat), *(posted(event, number) for number in range(8)))

    first.refresh_from_db()
    assert first.status == "confirmed"
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_concurrent_requests_of_all_kinds_stay_consistent(_round):
    olga = UserFactory()
    event = EventFactory(organizer=olga, max_capacity=5, waitlist_enabled=True)
    registrations = [registered(event) for _ in range(8)]
    client = APIClient()
    client.force_authenticate(olga)
    path = f"/api/events/{event.pk}/"
    ticket = {"ticket_code": registrations[4].ticket_code}

    def patched(**body: object) -> Callable[[], int]:
        return lambda: client.patch(path, body).status_code

    codes = at_once(
        *(posted(event, number) for number in range(12)),
        *(lambda row=row: cancel_registration(row) for row in registrations[:4]),
        patched(max_capacity=9),
        patched(max_capacity=6),
        patched(max_capacity=None),
        patched(max_capacity=7),
        patched(waitlist_enabled=False),
        lambda: client.post(f"{path}check-in/", ticket).status_code,
        lambda: client.post(f"{path}cancel/").status_code,
    )

    assert {code for code in codes if code is not None} <= {200, 201, 409}
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_ticket_that_is_scanned_at_once_is_checked_in_once(_round):
    olga = UserFactory()
    event = EventFactory(organizer=olga)
    code = registered(event).ticket_code

    repeated = at_once(*(lambda: check_in(event, code, by=olga)[1] for _ in range(8)))

    assert sorted(repeated) == [False] + [True] * 7
    assert LedgerEntry.objects.filter(kind="checked_in").count() == 1


def test_a_nonce_that_is_sent_at_once_is_that_of_one_ticket():
    olga = UserFactory()
    event = EventFactory(organizer=olga)
    tickets = [registered(event).ticket_code for _ in range(8)]
    client = APIClient()
    client.force_authenticate(olga)
    path = f"/api/events/{event.pk}/check-in/"

    codes = at_once(
        *(
            lambda code=code: client.post(path, {"ticket_code": code, "nonce": "a"}).status_code
            for code in tickets
        )
    )

    assert Counter(codes) == {200: 1, 422: 7}
    assert LedgerEntry.objects.filter(kind="checked_in").count() == 1


@pytest.mark.parametrize("_round", range(3))
def test_two_accounts_that_end_at_once_do_not_deadlock(_round):
    events = [EventFactory(max_capacity=2, waitlist_enabled=True) for _ in range(4)]
    people = UserFactory.create_batch(4, role="attendee")
    for number, person in enumerate(people):
        for event in events if number % 2 else reversed(events):
            register(event.pk, name="x", email=person.email, user=person, registered_by=person)

    at_once(*(lambda person=person: close_account(person) for person in people))

    assert_sound()
    assert not Registration.objects.live().exists()


def test_sign_ups_at_once_with_one_local_part_get_different_names():
    def sign_up(number: int) -> int:
        body = {"email": f"info@site{number}.example.com", "password": PASSWORD}
        return APIClient().post("/api/register/", body).status_code

    codes = at_once(*(lambda number=number: sign_up(number) for number in range(6)))

    assert codes == [201] * 6


def test_a_link_that_is_followed_by_many_at_once_works_once():
    user = UserFactory()
    token = token_in(reset_link(user))

    def reset(number: int) -> int:
        body = {"token": token, "password": f"another-horse-{number}"}
        return APIClient().post("/api/password/reset/confirm/", body).status_code

    codes = at_once(*(lambda number=number: reset(number) for number in range(6)))

    user.refresh_from_db()
    assert Counter(codes) == {204: 1, 400: 5}
    assert user.check_password(f"another-horse-{codes.index(204)}")


def test_a_registration_blocked_by_an_edit_returns_the_edited_event():
    event = EventFactory(location="Old")

    def registers() -> str:
        body = {"name": "N", "email": "n@example.com"}
        response = APIClient().post(f"/api/events/{event.pk}/register/", body)
        return response.json()["event"]["location"]

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            edit_event(event, {"location": "New"})
            future = pool.submit(at_once, registers)
            wait_until_blocked()
        assert future.result(10) == ["New"]


def test_the_holder_of_the_event_lock_registers_before_blocked_requests():
    event = EventFactory(max_capacity=4)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_event(event.pk)
            future = pool.submit(at_once, *(posted(event, number) for number in range(4)))
            wait_until_blocked()
            register(event.pk, name="N", email="first@example.com")
        codes = future.result(20)

    assert sorted(codes) == [201, 201, 201, 409]
    assert_sound()


def test_a_full_event_refuses_without_blocking():
    event = EventFactory(max_capacity=1)
    registered(event)

    with transaction.atomic():
        lock_event(event.pk)  # a write would block until this transaction ends
        codes = [*at_once(posted(event, 1)), *at_once(posted(event, 2))]

    assert codes == [409, 409]


def test_a_lock_timeout_is_answered_with_retry_after():
    event = EventFactory()
    client = APIClient()
    client.raise_request_exception = False

    def impatient() -> object:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        return client.post(f"/api/events/{event.pk}/register/", {"name": "N", "email": "n@x.org"})

    with transaction.atomic():
        lock_event(event.pk)
        (response,) = at_once(impatient)

    assert response.status_code == 503
    assert response.json()["code"] == "temporarily_unavailable"
    assert response["Retry-After"] == "2"
    assert_sound()


def test_the_first_peak_scans_no_whole_table():
    """Plans made for small tables are soon replaced."""
    event = EventFactory()
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {', '.join(GROWING)}")
    before = rows_read_in_sequence()

    def peak() -> None:
        for number in range(400):
            register(event.pk, name="N", email=f"n{number}@example.com")

    at_once(peak)

    # Two full scans for each registration would read 160,000 rows.
    assert rows_read_in_sequence() - before < 60_000


def rows_read_in_sequence() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname = ANY(%s)",
            [list(GROWING)],
        )
        return cursor.fetchone()[0]


@pytest.fixture
def pairs() -> dict[Callable[[], object], list[Event] | list[Registration]]:
    """Background work, and two rows that it updates: the first by id lies behind the other."""
    now, hour = timezone.now(), timedelta(hours=1)
    ana = UserFactory()
    due, over = ([EventFactory() for _ in range(2)] for _ in range(2))
    guests = [register(event.pk, name="Ana", email=ana.email) for event in due]
    guests.sort(key=lambda registration: registration.pk)
    Registration.objects.filter(pk=guests[0].pk).update(name="Ána")
    times = {"start_time": now + 12 * hour, "end_time": now + 13 * hour}
    for event in reversed(due):
        Event.objects.filter(pk=event.pk).update(**times)
        Event.objects.filter(pk=event.pk).update(next_reminder_at=now - hour)
    times = {"start_time": now - 50 * hour, "end_time": now - 49 * hour}
    for event in reversed(over):
        Event.objects.filter(pk=event.pk).update(**times)
    return {
        queue_reminders: due,
        queue_feedback_invitations: over,
        lambda: join_guest_registrations(ana): guests,
    }


def test_updates_of_several_rows_lock_them_in_the_order_of_their_ids(pairs):
    """A session that blocks on the first row has locked no other, so there is no deadlock."""
    for work, (first, second) in pairs.items():
        locked = type(first).objects.select_for_update(nowait=True)
        with ThreadPoolExecutor(1) as pool, transaction.atomic():
            locked.get(pk=first.pk)
            future = pool.submit(at_once, work)
            wait_until_blocked()
            locked.get(pk=second.pk)
        future.result()


@pytest.mark.parametrize("policy", ["strict", "first_fit"])
def test_parties_that_come_and_go_at_once_leave_no_fault(policy):
    event = EventFactory(
        max_capacity=20, max_party_size=6, waitlist_enabled=True, waitlist_policy=policy
    )
    early = [registered(event, party_size=2) for _ in range(8)]
    sizes = [1 + number % 6 for number in range(24)]

    def joining(size: int) -> Callable[[], object]:
        return lambda: registered(event, party_size=size)

    def leaving(registration: Registration) -> Callable[[], object]:
        return lambda: cancel_registration(registration)

    at_once(*map(joining, sizes), *map(leaving, early))

    event.refresh_from_db()
    assert event.registered_count <= 20
    assert event.registered_count + event.waitlist_count == sum(sizes)
    assert event.queue_length == event.registrations.filter(status="waitlisted").count()
    assert_sound()

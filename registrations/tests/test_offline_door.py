"""Scans of phones that were offline, and the list that they keep."""

import hashlib
from datetime import timedelta
from itertools import permutations

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from conftest import NOW
from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import LedgerEntry, Registration, Scan
from registrations.services import cancel_registration
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


def minutes(number: float) -> str:
    return (NOW + timedelta(minutes=number)).isoformat().replace("+00:00", "Z")


@pytest.fixture
def organizer(olga) -> APIClient:
    """Signed in for longer than a token is valid."""
    client = APIClient()
    client.force_authenticate(olga)
    return client


@pytest.fixture
def door(clock, event, organizer):
    """Sends a scan to the event; `undo` undoes."""

    def scan(registration: Registration, *, undo: bool = False, of: Event = event, **body: object):
        path = f"/api/events/{of.pk}/check-in/{'undo/' if undo else ''}"
        return organizer.post(path, {"ticket_code": registration.ticket_code, **body})

    return scan


@pytest.fixture
def bulk(clock, event, organizer):
    path = f"/api/events/{event.pk}/check-ins/bulk/"
    return lambda *scans: organizer.post(path, {"check_ins": scans})


def checked_in_at(registration: Registration) -> str | None:
    registration.refresh_from_db()
    at = registration.checked_in_at
    return at and at.isoformat().replace("+00:00", "Z")


# --- at ---


def test_scans_of_a_phone_without_a_clock_count_from_the_registration(door, event):
    registration = registered(event)

    first = door(registration, at="1970-01-01T00:00:00Z").json()
    second = door(registration, at=minutes(-24 * 60 - 1)).json()

    assert [first["already_checked_in"], second["already_checked_in"]] == [False, True]
    assert first["registration"]["checked_in_at"] == minutes(0)
    assert second["registration"]["checked_in_at"] == minutes(0)


def test_scans_of_a_slow_clock_keep_their_order(door, event, organizer):
    registration = registered(event)

    door(registration, at=minutes(-5))
    first = door(registration, at=minutes(-10)).json()
    door(registration, undo=True, at=minutes(-8))
    statistics = organizer.get(f"/api/events/{event.pk}/statistics/?interval=hour").json()

    assert first["registration"]["checked_in_at"] == minutes(-10)
    assert checked_in_at(registration) == minutes(-5)
    assert sum(bucket["checked_in"] for bucket in statistics["timeline"]) == 1


def test_the_earliest_scan_is_in_effect(clock, door, event):
    registration = registered(event)
    clock.shift(timedelta(minutes=30))

    second = door(registration, at=minutes(20)).json()
    first = door(registration, at=minutes(10)).json()

    assert second["registration"]["checked_in_at"] == minutes(20)
    assert first["registration"]["checked_in_at"] == minutes(10)
    assert checked_in_at(registration) == minutes(10)
    assert LedgerEntry.objects.filter(kind="checked_in").count() == 1


def test_an_undo_that_is_later_remains_in_effect(clock, door, event):
    registration = registered(event)
    clock.shift(timedelta(minutes=30))
    door(registration, at=minutes(10))
    door(registration, undo=True, at=minutes(15))

    before = door(registration, at=minutes(12)).json()
    assert (before["already_checked_in"], checked_in_at(registration)) == (False, None)
    after = door(registration, at=minutes(16)).json()

    assert (after["already_checked_in"], checked_in_at(registration)) == (False, minutes(16))
    assert list(LedgerEntry.objects.order_by("id").values_list("kind", flat=True)) == [
        "registered", "checked_in", "check_in_undone", "checked_in",
    ]  # fmt: skip


def test_the_result_does_not_depend_on_the_order_of_arrival(clock, bulk, event):
    clock.shift(timedelta(minutes=30))
    scans = [(3, False), (5, True), (6, False), (9, True), (12, False), (14, False)]
    results = set()

    for order in list(permutations(scans))[::40]:
        with transaction.atomic():
            registration = registered(event)
            Registration.objects.filter(pk=registration.pk).update(registered_at=NOW)
            code = registration.ticket_code
            bulk(*({"ticket_code": code, "at": minutes(at), "undo": undo} for at, undo in order))
            results.add(checked_in_at(registration))
            transaction.set_rollback(True)

    assert results == {minutes(12)}


def test_an_undo_now_is_in_effect_although_the_clock_of_the_phone_is_ahead(door, event):
    registration = registered(event)
    door(registration, at=minutes(2))

    door(registration, undo=True)
    assert checked_in_at(registration) is None
    door(registration)

    assert checked_in_at(registration) == minutes(2)


def test_an_undo_of_the_past_leaves_later_check_ins(clock, door, event):
    registration = registered(event)
    clock.shift(timedelta(minutes=30))
    door(registration, at=minutes(10))
    door(registration, at=minutes(20))

    undone = door(registration, undo=True, at=minutes(15)).json()

    assert undone["registration"]["checked_in_at"] == minutes(20)
    assert not LedgerEntry.objects.filter(kind="check_in_undone").exists()


def test_a_check_in_from_before_scans_were_stored_counts(clock, door, event):
    registration = registered(event)
    Registration.objects.filter(pk=registration.pk).update(checked_in_at=NOW)
    clock.shift(timedelta(minutes=30))

    assert door(registration, at=minutes(10)).json()["already_checked_in"] is True
    assert checked_in_at(registration) == minutes(0)
    door(registration, undo=True)

    assert checked_in_at(registration) is None


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (minutes(2.1), "max_value"),
        ("9000-12-31T23:59:59Z", "max_value"),
        ("1899-12-31T23:59:59Z", "min_value"),
        ("2027-03-28T02:30:00", "nonexistent_time"),
        ("yesterday", "invalid"),
        (None, "null"),
        (7, "invalid"),
    ],
)
def test_a_time_that_cannot_be_is_an_error_of_its_field(door, olga, at, code):
    event = EventFactory(organizer=olga, timezone="Europe/Berlin")

    response = door(registered(event), of=event, at=at)

    assert response.status_code == 400
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [("at", code)]


def test_a_time_without_an_offset_is_in_the_zone_of_the_event(clock, door, olga):
    event = EventFactory(organizer=olga, timezone="Asia/Kolkata")
    registration = registered(event)
    clock.shift(timedelta(minutes=30))

    response = door(registration, of=event, at="2027-01-15T17:40:00")

    assert response.json()["registration"]["checked_in_at"] == minutes(10)


# --- nonce ---


def test_a_nonce_gets_the_same_response_again(clock, door, event):
    registration = registered(event)
    first = door(registration, nonce="a")
    clock.shift(timedelta(minutes=5))
    door(registration, undo=True)

    again = door(registration, nonce="a")

    assert (again.status_code, again.json()) == (200, first.json())
    assert checked_in_at(registration) is None


def test_a_refusal_is_repeated_too(door, olga):
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    seat, waiting = registered(event), registered(event)
    first = door(waiting, of=event, nonce="a")
    cancel_registration(seat)

    again = door(waiting, of=event, nonce="a")

    assert (first.status_code, first.json()["reason"]) == (409, "waitlisted")
    assert (again.status_code, again.json()["reason"]) == (409, "waitlisted")
    assert door(waiting, of=event, nonce="b").status_code == 200


def test_a_nonce_of_another_scan_is_refused(door, event, olga):
    one, other = registered(event), registered(event)
    elsewhere = EventFactory(organizer=olga)
    door(one, nonce="a")

    for response in (
        door(other, nonce="a"),
        door(one, undo=True, nonce="a"),
        door(Registration(ticket_code="NONE"), nonce="a"),
    ):
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert door(registered(elsewhere), of=elsewhere, nonce="a").status_code == 200


@pytest.mark.parametrize("nonce", ["", " ", "x" * 101, "a\nb", 5, None])
def test_a_nonce_is_a_line_of_text(door, event, nonce):
    response = door(registered(event), nonce=nonce)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "nonce"


# --- in bulk ---


def test_scans_in_bulk_have_their_results_in_order(bulk, event, olga):
    good, cancelled = registered(event), registered(event)
    other = registered(EventFactory(organizer=olga))
    cancel_registration(cancelled)
    code = {"ticket_code": good.ticket_code}

    response = bulk(
        {**code, "at": minutes(1), "nonce": "a"},
        {"ticket_code": cancelled.ticket_code},
        {**code, "nonce": "a"},
        {"ticket_code": "NOSUCHCODE"},
        {"ticket_code": other.ticket_code},
        {**code, "at": minutes(60)},
        {**code, "undo": True},
        code,
    )

    assert response.status_code == 200
    assert [
        (
            result["status"],
            result.get("already_checked_in"),
            result.get("reason") or result.get("code"),
        )
        for result in response.json()["results"]
    ] == [
        (200, False, None),
        (409, None, "cancelled"),
        (200, False, None),
        (404, None, "not_found"),
        (409, None, "other_event"),
        (400, None, "validation_error"),
        (200, True, None),
        (200, False, None),
    ]
    times = [r["registration"]["checked_in_at"] for r in response.json()["results"][:7:6]]
    assert times == [minutes(1), None]
    assert checked_in_at(good) == minutes(1)
    assert Scan.objects.count() == 3


def test_scans_in_bulk_that_are_sent_again_have_the_same_results(bulk, event):
    scans = [{"ticket_code": registered(event).ticket_code, "nonce": f"n{n}"} for n in range(3)]

    first, again = bulk(*scans), bulk(*scans)

    assert first.json() == again.json()
    assert LedgerEntry.objects.filter(kind="checked_in").count() == 3


def test_the_number_of_queries_does_not_depend_on_the_number_of_scans(
    bulk, django_assert_num_queries, django_assert_max_num_queries, event
):
    codes = [registered(event).ticket_code for _ in range(20)]

    with django_assert_max_num_queries(16) as few:
        bulk(*({"ticket_code": code, "nonce": code} for code in codes[:1]))
    with django_assert_num_queries(len(few)):
        bulk(*({"ticket_code": code, "nonce": code} for code in codes[1:]))


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "check_ins", "required"),
        ({"check_ins": []}, "check_ins", "min_length"),
        ({"check_ins": {}}, "check_ins", "invalid"),
        ({"check_ins": [{"ticket_code": "A"}] * 1001}, "check_ins", "max_length"),
        ({"check_ins": [{"ticket_code": "A"}, {}]}, "check_ins.1.ticket_code", "required"),
        ({"check_ins": [{"ticket_code": "A", "att": 1}]}, "check_ins.0.att", "unknown_field"),
        ({"check_ins": [7]}, "check_ins.0", "invalid"),
    ],
)
def test_scans_in_bulk_need_their_form(event, olga, signed_in, body, field, code):
    response = signed_in(olga).post(f"/api/events/{event.pk}/check-ins/bulk/", body)

    assert response.status_code == 400
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [(field, code)]


# --- the door list ---


def test_the_door_list_has_digests_and_no_addresses(clock, door, olga, signed_in):
    event = EventFactory(organizer=olga, max_capacity=2, waitlist_enabled=True)
    zoe, adam = registered(event, name="Zoë"), registered(event, name="Adam")
    waiting, cancelled = registered(event, name="Bea"), registered(event, name="Carl")
    cancel_registration(cancelled)
    door(zoe, of=event)
    client, path = signed_in(olga), f"/api/events/{event.pk}/door-list/"

    response = client.get(path)

    assert [
        (row["name"], row["status"], row["party_size"], row["checked_in_at"], row["ticket_sha256"])
        for row in response.json()["results"]
    ] == [
        (person.name, status, 1, at, hashlib.sha256(person.ticket_code.encode()).hexdigest())
        for person, status, at in (
            (adam, "confirmed", None),
            (waiting, "waitlisted", None),
            (zoe, "confirmed", minutes(0)),
        )
    ]
    assert b"@" not in response.content
    assert response.json()["event"]["id"] == event.pk
    etag = response.headers["ETag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    door(adam, of=event)
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_a_ticket_code_has_128_random_bits(event):
    codes = {registered(event).ticket_code for _ in range(3)}

    assert {len(code) for code in codes} == {26}  # five bits each
    assert len({code[:8] for code in codes}) == len({code[-9:-1] for code in codes}) == 3

"""Parties: several people in one registration."""

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import User
from conftest import NOW
from events.models import Event
from events.services import edit_event
from events.tests.factories import EventFactory
from registrations.models import LedgerEntry, Registration
from registrations.services import cancel_registration
from registrations.services.integrity import find_faults, repair_counters
from registrations.tests.factories import registered
from registrations.tickets import manage_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def event(olga: User) -> Event:
    return EventFactory(organizer=olga, max_capacity=5, max_party_size=6, waitlist_enabled=True)


@pytest.fixture(autouse=True)
def _no_faults(request):
    yield
    assert list(find_faults()) == []


def json_client(client) -> APIClient:
    """The client, or another one, that sends JSON with lists in it."""
    return client if isinstance(client, APIClient) else APIClient()


def posted(client, event: Event, email: str = "bob@example.com", **party: object):
    body = {"name": "Bob", "email": email, **party}
    return json_client(client).post(f"/api/events/{event.pk}/register/", body, format="json")


def patched(client, registration: Registration, **changes: object):
    path = f"/api/registrations/{registration.pk}/?token={manage_token(registration.pk)}"
    return json_client(client).patch(path, changes, format="json")


def counts(event: Event) -> tuple[int, int, int]:
    """Seated people, people who wait, and parties that wait."""
    event.refresh_from_db()
    return event.registered_count, event.waitlist_count, event.queue_length


def statuses(*registrations: Registration) -> list[str]:
    by_pk = Registration.objects.in_bulk([registration.pk for registration in registrations])
    return [by_pk[registration.pk].status for registration in registrations]


# --- Registering --------------------------------------------------------------------------------


def test_a_party_takes_seats_for_all_of_its_people(client, event):
    guests = [{"name": "Ann", "email": "Ann@Example.com"}, {"name": "Zoe"}]

    made = posted(client, event, party_size=4, guests=guests)

    assert made.status_code == 201
    assert made.json()["status"] == "confirmed"
    assert (made.json()["party_size"], made.json()["admitted_count"]) == (4, 0)
    assert made.json()["guests"] == [
        {"name": "Ann", "email": "ann@example.com"},
        {"name": "Zoe", "email": None},
    ]
    assert counts(event) == (4, 0, 0)
    assert client.get(f"/api/events/{event.pk}/").json()["available_seats"] == 1


def test_a_party_that_does_not_fit_gets_one_place_in_the_queue(client, event):
    registered(event, party_size=3)

    first = posted(client, event, "a@example.com", party_size=3).json()
    second = posted(client, event, "b@example.com", party_size=2).json()

    assert (first["status"], first["waitlist_position"], first["people_ahead"]) == (
        "waitlisted", 1, 0,
    )  # fmt: skip
    assert (second["status"], second["waitlist_position"], second["people_ahead"]) == (
        "waitlisted", 2, 3,
    )  # fmt: skip
    assert counts(event) == (3, 5, 2)
    shown = client.get(f"/api/events/{event.pk}/").json()
    assert shown["registration_state"] == "waitlist"
    assert client.get("/api/events/?available=true").json()["results"] == []


def test_a_party_that_does_not_fit_is_refused_without_a_waitlist(client, olga):
    event = EventFactory(organizer=olga, max_capacity=5, max_party_size=6)
    registered(event, party_size=3)

    refused = posted(client, event, party_size=3)

    assert refused.status_code == 409
    assert refused.json()["code"] == "event_full"
    assert refused.json()["available_seats"] == 2
    assert refused.json()["waitlist_count"] == 0
    assert posted(client, event, party_size=2).status_code == 201


@pytest.mark.parametrize(
    ("party", "status", "code", "field"),
    [
        ({"party_size": 0}, 400, "min_value", "party_size"),
        ({"party_size": 51}, 400, "max_value", "party_size"),
        ({"party_size": 7}, 400, "max_value", "party_size"),
        ({"party_size": 1.5}, 400, "invalid", "party_size"),
        ({"party_size": None}, 400, "null", "party_size"),
        ({"guests": [{"name": "Ann"}]}, 400, "max_length", "guests"),
        ({"party_size": 2, "guests": [{"email": "ann"}]}, 400, "invalid", "guests.0.email"),
        ({"party_size": 2, "guests": "Ann"}, 400, None, None),
        ({"party_size": 6}, 409, "party_too_large", None),
    ],
)
def test_a_bad_party_is_refused(client, event, party, status, code, field):
    refused = posted(client, event, **party)

    assert refused.status_code == status
    if field:
        [error] = refused.json()["errors"]
        assert (error["field"], error["code"]) == (field, code)
    elif code:
        assert refused.json()["code"] == code
    assert counts(event) == (0, 0, 0)


@pytest.mark.parametrize(
    ("guests", "named"),
    [
        ({"guests": '[{"name": "Ann"}, {"name": "Zoe"}]'}, ["Ann", "Zoe"]),
        ({"guests[0]name": "Ann", "guests[1]name": "Zoe"}, ["Ann", "Zoe"]),
        ({"guests": "[]"}, []),
        ({}, []),
    ],
)
def test_a_form_brings_guests(client, event, guests, named):
    body = {"name": "Bob", "email": "bob@example.com", "party_size": "3", **guests}

    made = client.post(f"/api/events/{event.pk}/register/", urlencode(body), FORM)

    assert made.status_code == 201, made.json()
    assert [guest["name"] for guest in made.json()["guests"]] == named


@pytest.mark.parametrize(
    ("guests", "error"),
    [
        ("Ann", ("guests", "invalid")),
        ("", ("guests", "invalid")),
        ('{"name": "Ann"}', ("guests", "invalid")),
        ('[{"nam": "Ann"}]', ("guests.0.nam", "unknown_field")),
        ('[{"email": "Ann"}]', ("guests.0.email", "invalid")),
    ],
)
def test_bad_guests_of_a_form_are_an_error(client, event, guests, error):
    body = {"name": "Bob", "email": "bob@example.com", "party_size": "3", "guests": guests}

    refused = client.post(f"/api/events/{event.pk}/register/", urlencode(body), FORM)

    assert refused.status_code == 400
    assert [(each["field"], each["code"]) for each in refused.json()["errors"]] == [error]


def test_one_registration_is_for_one_person_by_default(client, olga):
    event = EventFactory(organizer=olga)

    refused = posted(client, event, party_size=2)

    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "max_value")


def test_a_newcomer_overtakes_no_party_that_waits(client, event):
    registered(event, party_size=3)
    registered(event, party_size=3)

    newcomer = posted(client, event)

    assert newcomer.json()["status"] == "waitlisted"
    assert counts(event) == (3, 4, 2)


def test_a_newcomer_passes_a_party_that_is_larger_than_the_whole_capacity(client, event):
    seated, large = registered(event, party_size=2), registered(event, party_size=5)
    edit_event(event, {"max_capacity": 3})

    newcomer = posted(client, event)

    assert newcomer.json()["status"] == "confirmed"
    assert statuses(seated, large) == ["confirmed", "waitlisted"]


def test_seats_that_an_oversized_party_cannot_take_are_available(client, event):
    party, large = registered(event, party_size=4), registered(event, party_size=5)
    edit_event(event, {"max_capacity": 4})

    patched(client, party, party_size=2)

    shown = client.get(f"/api/events/{event.pk}/").json()
    found = client.get("/api/events/?available=true").json()["results"]
    assert (shown["registration_state"], shown["available_seats"]) == ("open", 2)
    assert [each["id"] for each in found] == [event.pk]
    patched(client, large, party_size=2)
    assert statuses(large) == ["confirmed"]
    assert client.get(f"/api/events/{event.pk}/").json()["registration_state"] == "waitlist"


# --- Promotion ----------------------------------------------------------------------------------


def test_seats_stay_free_until_the_first_party_fits(event):
    left, stays = registered(event, party_size=2), registered(event, party_size=3)
    first, second = registered(event, party_size=4), registered(event, party_size=1)

    cancel_registration(left)
    waiting = statuses(first, second)
    cancel_registration(stays)

    assert waiting == ["waitlisted", "waitlisted"]
    assert statuses(first, second) == ["confirmed", "confirmed"]
    assert counts(event) == (5, 0, 0)


def test_a_first_party_that_leaves_lets_the_next_ones_in(event):
    registered(event, party_size=3)
    first, second, third = (registered(event, party_size=size) for size in (4, 1, 1))

    cancel_registration(first)

    assert statuses(second, third) == ["confirmed", "confirmed"]


def test_a_party_that_is_larger_than_the_capacity_is_passed_over(event):
    seated = registered(event, party_size=3)
    large, small = registered(event, party_size=5), registered(event, party_size=2)
    edit_event(event, {"max_capacity": 4})

    cancel_registration(seated)

    assert statuses(large, small) == ["waitlisted", "confirmed"]
    edit_event(event, {"max_capacity": 7})
    assert statuses(large) == ["confirmed"]


@pytest.fixture
def first_fit(event) -> Event:
    edit_event(event, {"waitlist_policy": "first_fit"})
    return event


def test_first_fit_seats_the_first_party_that_fits(first_fit):
    left, _ = registered(first_fit, party_size=2), registered(first_fit, party_size=3)
    large, small, last = (registered(first_fit, party_size=size) for size in (4, 1, 1))

    cancel_registration(left)

    assert statuses(large, small, last) == ["waitlisted", "confirmed", "confirmed"]
    assert counts(first_fit) == (5, 4, 1)


def test_first_fit_lets_a_newcomer_that_fits_overtake(client, first_fit):
    registered(first_fit, party_size=3)
    registered(first_fit, party_size=4)

    newcomer, next_one = (
        posted(client, first_fit, party_size=2),
        posted(client, first_fit, "eve@x.io"),
    )

    assert newcomer.json()["status"] == "confirmed"
    assert next_one.json()["status"] == "waitlisted"
    assert counts(first_fit) == (5, 5, 2)


@pytest.mark.parametrize(
    ("policy", "state", "listed"), [("strict", "waitlist", 0), ("first_fit", "open", 1)]
)
def test_seats_that_the_queue_leaves_free_are_available_by_policy(
    client, event, policy, state, listed
):
    edit_event(event, {"waitlist_policy": policy})
    registered(event, party_size=3)
    registered(event, party_size=4)

    shown = client.get(f"/api/events/{event.pk}/").json()
    found = client.get("/api/events/?available=true").json()["results"]

    assert (shown["registration_state"], shown["available_seats"]) == (state, 2)
    assert shown["waitlist_policy"] == policy
    assert len(found) == listed


def test_a_change_of_the_policy_promotes_who_fits(event):
    registered(event, party_size=3)
    large, small = registered(event, party_size=4), registered(event, party_size=2)

    edit_event(event, {"waitlist_policy": "first_fit"})

    assert statuses(large, small) == ["waitlisted", "confirmed"]


# --- Changing the size --------------------------------------------------------------------------


def test_a_smaller_party_frees_seats_and_loses_surplus_guests(client, event):
    guests = [{"name": "Ann", "email": None}, {"name": "Zoe", "email": None}]
    party, waiting = registered(event, party_size=4, guests=guests), registered(event, party_size=3)

    shrunk = patched(client, party, party_size=2)

    assert shrunk.status_code == 200
    assert shrunk.json()["party_size"] == 2
    assert shrunk.json()["guests"] == guests[:1]
    assert statuses(waiting) == ["confirmed"]
    assert counts(event) == (5, 0, 0)
    entry = LedgerEntry.objects.get(registration=party, kind="party_shrunk")
    assert entry.people == 2


def test_a_first_party_that_shrinks_is_promoted(client, event):
    registered(event, party_size=3)
    first = registered(event, party_size=3)

    shrunk = patched(client, first, party_size=2).json()

    assert (shrunk["status"], shrunk["waitlist_position"]) == ("confirmed", None)
    assert shrunk["confirmed_at"] is not None


def test_a_larger_party_takes_free_seats(client, event):
    party = registered(event, party_size=2)

    assert patched(client, party, party_size=5).json()["party_size"] == 5
    assert counts(event) == (5, 0, 0)


def test_a_party_grows_only_into_seats_that_nobody_waits_for(client, event):
    party = registered(event, party_size=3)
    waiting = registered(event, party_size=3)

    def code(registration, size):
        return patched(client, registration, party_size=size).json()["code"]

    assert code(party, 4) == "event_full"
    assert code(waiting, 4) == "party_cannot_grow"
    assert code(party, 7) == "validation_error"
    assert code(party, 6) == "party_too_large"
    assert counts(event) == (3, 3, 1)


def test_a_party_neither_grows_after_closing_nor_shrinks_after_the_deadline(
    client, event, olga, signed_in
):
    party = registered(event, party_size=3)
    closed = NOW - timedelta(minutes=1)
    edit_event(event, {"registration_closes_at": closed, "cancellation_closes_at": closed})

    assert patched(client, party, party_size=4).json()["code"] == "registration_closed"
    assert patched(client, party, party_size=2).json()["code"] == "cancellation_closed"
    organizer = signed_in(olga)
    assert patched(organizer, party, party_size=0).status_code == 400


def test_guests_are_replaced(client, event):
    party = registered(event, party_size=3)

    named = patched(client, party, guests=[{"name": "Ann"}])
    refused = patched(client, party, guests=[{"name": "A"}, {"name": "B"}, {"name": "C"}])

    assert named.json()["guests"] == [{"name": "Ann", "email": None}]
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "max_length")


# --- At the door --------------------------------------------------------------------------------


def test_a_party_comes_in_bit_by_bit(event, olga, signed_in):
    party, door = registered(event, party_size=4), signed_in(olga)

    def scan(undo="", **count):
        path = f"/api/events/{event.pk}/check-in/{undo}"
        return door.post(path, {"ticket_code": party.ticket_code, **count})

    def figures(response):
        return [response.json()[name] for name in ("admitted_now", "admitted_count", "party_size")]

    assert figures(scan(count=1)) == [1, 1, 4]
    refused = scan(count=4)
    assert (refused.status_code, refused.json()["reason"]) == (409, "all_admitted")
    assert patched(door, party, party_size=1).json()["admitted_count"] == 1
    assert patched(door, party, party_size=4).json()["admitted_count"] == 1
    rest = scan()
    assert figures(rest) == [3, 4, 4]
    assert rest.json()["already_checked_in"] is True
    assert figures(scan()) == [0, 4, 4]
    below = patched(door, party, party_size=3)
    assert (below.status_code, below.json()["errors"][0]["code"]) == (400, "min_value")
    listed = door.get(f"/api/events/{event.pk}/attendees/").json()
    assert listed["counts"] == {"confirmed": 4, "waitlisted": 0, "checked_in": 4}
    undone = scan("undo/")
    assert undone.json()["registration"]["admitted_count"] == 0
    entries = LedgerEntry.objects.filter(registration=party).order_by("id")
    assert [(entry.kind, entry.people) for entry in entries] == [
        ("registered", 4), ("checked_in", 1), ("party_shrunk", 3), ("party_grown", 3),
        ("checked_in", 3), ("check_in_undone", 4),
    ]  # fmt: skip


def test_a_repeated_scan_of_a_party_has_the_same_response(event, olga, signed_in):
    party, door = registered(event, party_size=4), signed_in(olga)
    body = {"ticket_code": party.ticket_code, "count": 2, "nonce": "n1"}

    first = door.post(f"/api/events/{event.pk}/check-in/", body)
    door.post(f"/api/events/{event.pk}/check-in/", {"ticket_code": party.ticket_code})
    again = door.post(f"/api/events/{event.pk}/check-in/", body)

    assert again.json() == first.json()
    assert first.json()["admitted_count"] == 2


# --- Lists, files, erasure ----------------------------------------------------------------------


def test_parties_are_in_exports(event, olga, signed_in):
    registered(event, party_size=2, guests=[{"name": "Ann", "email": None}])

    export = signed_in(olga).get(f"/api/events/{event.pk}/attendees/export/?format=json")
    [row] = json.loads(b"".join(export.streaming_content))

    assert (row["party_size"], row["admitted_count"]) == (2, 0)
    assert "Ann" in row["guests"]


def test_parties_are_imported(event, olga, signed_in):
    file = "name,email,party size\nAnn,ann@example.com,3\nBob,bob@example.com,3\n"
    file += "Cem,cem@example.com,7\nDan,dan@example.com,6\nEva,eva@example.com,x\n"

    report = signed_in(olga).post(
        f"/api/events/{event.pk}/attendees/import/?skip_errors=true",
        file,
        content_type="text/csv",
    )

    rows = [(row["outcome"], [error["code"] for error in row["errors"]])
            for row in report.json()["rows"]]  # fmt: skip
    assert rows == [
        ("confirmed", []), ("waitlisted", []), ("refused", ["max_value"]),
        ("refused", ["max_value"]), ("refused", ["invalid"]),
    ]  # fmt: skip
    too_large = report.json()["rows"][3]["errors"][0]["detail"]
    assert too_large == "The event has 5 seats in all; register a smaller party."
    assert counts(event) == (3, 3, 1)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("", None), ("0", None), ("3", None), ("4", "max_value"), ("9" * 30, "max_value"),
        ("-1", "min_value"), ("abc", "invalid"), ("1.5", "invalid"), ("²", "invalid"),
    ],
)  # fmt: skip
def test_an_import_reads_who_was_admitted_and_checks_nobody_in(event, olga, signed_in, cell, code):
    file = f"name,email,party_size,admitted_count\nAnn,ann@example.com,3,{cell}\n"

    response = signed_in(olga).post(
        f"/api/events/{event.pk}/attendees/import/", file, content_type="text/csv"
    )

    report = response.json()
    expected = [] if code is None else [("line.2.admitted_count", code)]
    assert [(e["field"], e["code"]) for e in report["rows"][0]["errors"]] == expected
    assert (report["saved"], report["ignored_columns"]) == (code is None, [])
    assert not Registration.objects.exclude(checked_in_at=None).exists()


def test_erasing_people_erases_their_guests(event):
    party = registered(event, party_size=2, guests=[{"name": "Ann", "email": None}])

    Registration.objects.filter(pk=party.pk).erase_people()

    party.refresh_from_db()
    assert (party.guests, party.party_size) == ([], 2)


def test_repaired_counters_count_people(event):
    registered(event, party_size=3)
    registered(event, party_size=4)
    Event.objects.filter(pk=event.pk).update(
        registered_count=1, waitlist_count=1, waitlist_guest_count=0
    )

    assert list(find_faults())
    repair_counters(event.pk)

    assert counts(event) == (3, 4, 1)


def test_the_page_of_a_registration_shows_its_party(event, client):
    party = registered(event, party_size=3)
    path = reverse("manage-registration", args=(party.pk,))

    page = client.get(f"{path}?token={manage_token(party.pk)}")

    assert "3 people" in page.content.decode()


def test_statistics_count_people(event, olga, signed_in):
    grown, shrunk = registered(event, party_size=2), registered(event, party_size=2)
    waiting = registered(event, party_size=4)
    organizer = signed_in(olga)
    patched(organizer, waiting, party_size=3)
    patched(organizer, shrunk, party_size=1)
    cancel_registration(waiting)
    patched(organizer, grown, party_size=4)

    shown = organizer.get(f"/api/events/{event.pk}/statistics/").json()
    overview = organizer.get("/api/me/statistics/").json()["totals"]

    totals = shown["totals"]
    assert totals["registrations"] == overview["registrations"] == 3
    assert totals["people"] == overview["people"] == 10
    assert (totals["confirmed"], totals["waitlisted"], totals["cancelled"]) == (5, 0, 5)
    assert overview["cancelled"] == 5
    assert sum(bucket["registered"] for bucket in shown["timeline"]) == 10
    assert sum(bucket["cancelled"] for bucket in shown["timeline"]) == 5
    assert shown["timeline"][-1]["confirmed_at_end"] == 5

"""The commands that check the invariants and prove the capacity."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import LedgerEntry, Registration
from registrations.services import check_in, register, undo_check_in
from registrations.services.integrity import find_faults, find_notes
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def busy() -> Event:
    """Two of two seats taken, two waiting."""
    event = EventFactory(max_capacity=2, waitlist_enabled=True)
    for _ in range(4):
        registered(event)
    return event


def faults() -> list[tuple[int, str]]:
    return [(fault.event_id, fault.detail) for fault in find_faults()]


def unguarded(sql: str) -> None:
    """Break what the constraints hold, as a bug in the database or an admin by hand might."""
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_a_sound_database_passes(busy):
    out = StringIO()

    call_command("check_integrity", stdout=out)

    assert out.getvalue().count("ok: ") == 12
    assert "ok: tallies equal the answers they count\n" in out.getvalue()


def test_wrong_counters_of_a_deleted_event_are_repaired(busy):
    Event.objects.filter(pk=busy.pk).update(registered_count=1, deleted_at=timezone.now())

    call_command("check_integrity", "--repair", stdout=StringIO())

    assert faults() == []


def test_wrong_counters_are_reported_and_repaired(busy):
    Event.objects.update(registered_count=1, waitlist_count=7)
    err, out = StringIO(), StringIO()

    with pytest.raises(CommandError, match="1 faults") as raised:
        call_command("check_integrity", stderr=err)

    assert raised.value.returncode == 1
    assert f"event {busy.pk}: registered_count 1, confirmed 2; waitlist_count 7" in err.getvalue()
    call_command("check_integrity", "--repair", stdout=out)
    busy.refresh_from_db()
    assert (busy.registered_count, busy.waitlist_count) == (2, 2)
    assert faults() == []


def test_a_ledger_that_differs_from_the_rows_is_a_note(busy):
    assert list(find_notes()) == []

    Registration.objects.filter(status="confirmed").update(checked_in_at="2027-01-01T00:00Z")
    detail = "registrations 4, in the ledger 4; cancelled 0, 0; people checked in 2, 0"

    assert list(find_notes()) == [
        f"event {busy.pk}: its ledger, and so its statistics, differ from its rows: {detail}"
    ]
    assert faults() == []


def test_a_party_that_comes_in_bit_by_bit_agrees_with_its_ledger(olga):
    event = EventFactory(organizer=olga, max_party_size=4)
    code = registered(event, party_size=4).ticket_code

    check_in(event, code, count=1, by=olga)
    check_in(event, code, count=2, by=olga)
    before = list(find_notes())
    undo_check_in(event, code, by=olga)
    check_in(event, code, count=3, by=olga)

    assert (before, list(find_notes())) == ([], [])


def test_an_overbooked_event_is_reported(busy):
    unguarded("ALTER TABLE events_event DROP CONSTRAINT event_not_overbooked")
    try:
        Registration.objects.filter(status="waitlisted").update(
            status="confirmed", confirmed_at="2027-01-01T00:00Z"
        )
        Event.objects.update(registered_count=4, waitlist_count=0)

        assert faults() == [(busy.pk, "4 confirmed on 2 seats")]
    finally:
        Event.objects.update(registered_count=0)
        unguarded(
            "ALTER TABLE events_event ADD CONSTRAINT event_not_overbooked"
            " CHECK (max_capacity IS NULL OR registered_count <= max_capacity)"
        )


def test_a_free_seat_beside_a_queue_is_reported(busy):
    Event.objects.update(max_capacity=3)

    assert faults() == [(busy.pk, "2 wait, 2 of 3 seats are taken")]
    call_command("check_integrity", "--repair", stdout=StringIO())
    assert faults() == []


def test_a_promotion_out_of_order_is_reported(busy):
    _, second = Registration.objects.waitlisted()
    Registration.objects.filter(pk=second.pk).update(
        status="confirmed", confirmed_at="2027-01-01T00:00Z"
    )
    Event.objects.update(max_capacity=3, registered_count=3, waitlist_count=1)

    assert faults() == [(busy.pk, "number 1 waits, number 2 was promoted")]


def test_a_newcomer_ahead_of_the_queue_is_reported(busy):
    Event.objects.update(max_capacity=3, waitlist_count=0)
    register(busy.pk, name="Pusher", email="pusher@example.com")
    Event.objects.update(waitlist_count=2)

    (fault,) = faults()
    newest = LedgerEntry.objects.latest("id").pk
    assert fault[1].startswith(f"entry {newest} gave a seat while entry")


def test_two_live_rows_of_an_address_are_reported(busy):
    unguarded("DROP INDEX one_live_registration_per_address")
    try:
        Registration.objects.filter(event=busy, status="confirmed").update(email="a@b.example")

        (fault,) = faults()
        assert fault[1].startswith("2 live registrations of one address")
    finally:
        Registration.objects.update(status="cancelled", cancelled_at="2027-01-01T00:00Z")
        unguarded(
            "CREATE UNIQUE INDEX one_live_registration_per_address"
            " ON registrations_registration (event_id, email) WHERE NOT status = 'cancelled'"
        )


def test_prove_capacity_sells_no_seat_twice_and_leaves_nothing():
    out = StringIO()

    call_command("prove_capacity", "--clients", "24", "--seats", "7", "--rounds", "2", stdout=out)

    assert out.getvalue().count("7 confirmed, 17 refused of 24 clients on 7 seats") == 2
    assert "PROVED" in out.getvalue()
    assert not Event.objects.exists()
    assert not Registration.objects.exists()
    assert not LedgerEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("policy", "kills"), [("strict", "6"), ("first_fit", "0")])
def test_prove_capacity_sells_to_parties(policy, kills):
    out = StringIO()

    call_command(
        "prove_capacity",
        *("--clients", "24", "--seats", "20", "--party", "1-6", "--policy", policy),
        *("--kills", kills),
        stdout=out,
    )

    assert "PROVED" in out.getvalue()


def test_prove_capacity_refuses_more_clients_than_connections():
    with pytest.raises(CommandError, match="--clients"):
        call_command("prove_capacity", "--clients", "100000")

import statistics
import time
from argparse import ArgumentTypeError
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from config.errors import DomainError
from events.models import MAX_PARTY_SIZE, Event, WaitlistPolicy
from registrations.models import LedgerEntry, Registration
from registrations.services import cancel_registration, register
from registrations.services.integrity import find_faults


class Command(BaseCommand):
    help = (
        "Runs a flash sale against the configured database: many clients, each on a connection "
        "of its own, want the seats of one event at the same moment. Removes what it made."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--clients", type=int, default=64)
        parser.add_argument("--seats", type=int, default=20)
        parser.add_argument("--rounds", type=int, default=1)
        parser.add_argument(
            "--party",
            type=_sizes,
            default=range(1, 2),
            metavar="1-6",
            help="Sizes of the parties. Those that do not fit wait, and a third of all cancels.",
        )
        parser.add_argument(
            "--policy", choices=WaitlistPolicy.values, default=WaitlistPolicy.STRICT.value
        )

    def handle(
        self,
        *args: Any,
        clients: int,
        seats: int,
        rounds: int,
        party: range,
        policy: str,
        **options: Any,
    ) -> None:
        if min(clients, seats, rounds) < 1:
            raise CommandError("--clients, --seats and --rounds must be at least 1.")
        self._check_connections(clients)
        for number in range(1, rounds + 1):
            event = _open_event(seats, party, policy)
            try:
                if len(party) > 1 or party.start > 1:
                    self._sell_to_parties(event, clients, number, party)
                else:
                    self._sell(event, clients, number)
            finally:
                _remove(event)
        self.stdout.write(self.style.SUCCESS("PROVED: never more confirmed than seats."))

    def _check_connections(self, clients: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('max_connections')::int")
            max_connections = cursor.fetchone()[0]
        if clients > max_connections - 10:
            raise CommandError(
                f"PostgreSQL allows {max_connections} connections; choose --clients of at most "
                f"{max_connections - 10}."
            )

    def _sell(self, event: Event, clients: int, number: int) -> None:
        started = time.perf_counter()
        results = _register_concurrently(event, clients, range(1, 2))
        seconds = time.perf_counter() - started
        outcomes = Counter(outcome for outcome, _ in results)
        latencies = sorted(1000 * latency for _, latency in results)
        event.refresh_from_db()
        self.stdout.write(
            f"round {number}: {outcomes.pop('confirmed', 0)} confirmed, "
            f"{outcomes.pop('event_full', 0)} refused of {clients} clients on "
            f"{event.max_capacity} seats in {seconds:.2f} s; latency median "
            f"{statistics.median(latencies):.0f} ms, worst {latencies[-1]:.0f} ms"
        )
        expected = min(clients, event.max_capacity or clients)
        rows = Registration.objects.filter(event=event, status="confirmed").count()
        faults = [fault for fault in find_faults() if fault.event_id == event.pk]
        if outcomes or faults or not rows == event.registered_count == expected:
            raise CommandError(
                f"BROKEN: {rows} rows and a count of {event.registered_count} where {expected} "
                f"were due; other outcomes {dict(outcomes)}; faults {faults}"
            )

    def _sell_to_parties(self, event: Event, clients: int, number: int, party: range) -> None:
        outcomes = Counter(outcome for outcome, _ in _register_concurrently(event, clients, party))
        registrations = list(Registration.objects.filter(event=event).order_by("email"))
        _cancel_concurrently(registrations[::3])
        event.refresh_from_db()
        faults = [fault for fault in find_faults() if fault.event_id == event.pk]
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        self.stdout.write(
            f"round {number}: {counts} of {clients} parties; then {len(registrations[::3])} "
            f"cancelled; {event.registered_count} people on {event.max_capacity} seats, "
            f"{event.queue_length} parties of {event.waitlist_count} people wait"
        )
        unexpected = outcomes.keys() - {"confirmed", "waitlisted", "party_too_large"}
        if unexpected or faults or event.registered_count > (event.max_capacity or 0):
            raise CommandError(f"BROKEN: outcomes {dict(outcomes)}; faults {faults}")


def _sizes(text: str) -> range:
    """`1-6` or `2` as a range."""
    first, _, last = text.partition("-")
    try:
        sizes = range(int(first), int(last or first) + 1)
    except ValueError:
        sizes = range(0)
    if not sizes or sizes.start < 1 or sizes.stop > MAX_PARTY_SIZE + 1:
        raise ArgumentTypeError(f"give sizes from 1 to {MAX_PARTY_SIZE}, such as 1-6")
    return sizes


def _open_event(
    seats: int, party: range = range(1, 2), policy: str = WaitlistPolicy.STRICT.value
) -> Event:
    owner, _ = User.objects.get_or_create(
        email="capacity-proof@invalid",
        defaults={"username": "capacity:proof", "is_active": False},
    )
    start = timezone.now() + timedelta(days=1)
    return Event.objects.create(
        name="Capacity proof",
        location="-",
        organizer=owner,
        start_time=start,
        end_time=start + timedelta(hours=1),
        max_capacity=seats,
        max_party_size=party.stop - 1,
        waitlist_enabled=party.stop > 2,
        waitlist_policy=policy,
    )


def _cancel_concurrently(registrations: list[Registration]) -> None:
    def cancel(registration: Registration) -> None:
        try:
            cancel_registration(registration, notify=False)
        finally:
            connection.close()

    with ThreadPoolExecutor(max(len(registrations), 1)) as pool:
        list(pool.map(cancel, registrations))


def _register_concurrently(event: Event, clients: int, party: range) -> list[tuple[str, float]]:
    """The outcome and the latency in seconds of each client."""
    barrier = Barrier(clients)

    def client(number: int) -> tuple[str, float]:
        try:
            connection.ensure_connection()
            barrier.wait(60)
            started = time.perf_counter()
            try:
                registration = register(
                    event.pk,
                    name=f"Client {number}",
                    email=f"client{number}@invalid",
                    notify=False,
                    party_size=party[number % len(party)],
                )
                outcome = str(registration.status)
            except DomainError as error:
                outcome = error.code
            return outcome, time.perf_counter() - started
        finally:
            connection.close()

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(client, range(clients)))


@transaction.atomic
def _remove(event: Event) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL registrations.ledger_purge = 'on'")
    LedgerEntry.objects.filter(event=event).delete()
    Registration.objects.filter(event=event).delete()
    owner = event.organizer
    event.delete()
    if not owner.organized_events.exists():
        owner.delete()

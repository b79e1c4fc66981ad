import statistics
import time
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
from events.models import Event
from registrations.models import LedgerEntry, Registration
from registrations.services import register
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

    def handle(self, *args: Any, clients: int, seats: int, rounds: int, **options: Any) -> None:
        if min(clients, seats, rounds) < 1:
            raise CommandError("--clients, --seats and --rounds must be at least 1.")
        self._check_connections(clients)
        for number in range(1, rounds + 1):
            event = _open_event(seats)
            try:
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
        results = _register_concurrently(event, clients)
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


def _open_event(seats: int) -> Event:
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
    )


def _register_concurrently(event: Event, clients: int) -> list[tuple[str, float]]:
    """The outcome and the latency in seconds of each client."""
    barrier = Barrier(clients)

    def client(number: int) -> tuple[str, float]:
        try:
            connection.ensure_connection()
            barrier.wait(60)
            started = time.perf_counter()
            try:
                register(
                    event.pk,
                    name=f"Client {number}",
                    email=f"client{number}@invalid",
                    notify=False,
                )
                outcome = "confirmed"
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

import statistics
import time
from argparse import ArgumentTypeError
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Lock
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from accounts.models import User
from config.errors import DomainError
from events.models import MAX_PARTY_SIZE, Event, WaitlistPolicy
from registrations.models import LedgerEntry, Registration
from registrations.services import cancel_registration, register
from registrations.services.integrity import find_faults

# Each waits for the others at most until its lock times out, which more would reach on a busy
# machine.
_CANCELLING_CLIENTS = 16


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
            "--kills",
            type=int,
            default=0,
            help="As many clients lose their connection in each round while they register. Not "
            "through a pooler.",
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
        kills: int,
        policy: str,
        **options: Any,
    ) -> None:
        if min(clients, seats, rounds) < 1:
            raise CommandError("--clients, --seats and --rounds must be at least 1.")
        if not 0 <= kills < clients:
            raise CommandError("--kills must be less than --clients.")
        self._check_connections(clients)
        for number in range(1, rounds + 1):
            event = _open_event(seats, party, policy)
            try:
                if len(party) > 1 or party.start > 1:
                    self._sell_to_parties(_Race(event, clients, party, kills), number)
                else:
                    self._sell(_Race(event, clients, party, kills), number)
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

    def _sell(self, race: "_Race", number: int) -> None:
        event, clients = race.event, race.clients
        started = time.perf_counter()
        outcomes = race.run()
        seconds = time.perf_counter() - started
        latencies = sorted(1000 * latency for latency in race.latencies)
        killed = f", {outcomes['killed']} killed" if outcomes["killed"] else ""
        event.refresh_from_db()
        self.stdout.write(
            f"round {number}: {outcomes['confirmed']} confirmed, "
            f"{outcomes['event_full']} refused{killed} of {clients} clients on "
            f"{event.max_capacity} seats in {seconds:.2f} s; latency median "
            f"{statistics.median(latencies):.0f} ms, worst {latencies[-1]:.0f} ms"
        )
        unexpected = outcomes.keys() - {"confirmed", "event_full", "killed"}
        rows = Registration.objects.filter(event=event, status="confirmed").count()
        # A client that was killed may have registered.
        least = min(clients - outcomes["killed"], event.max_capacity or clients)
        most = min(clients, event.max_capacity or clients)
        if unexpected or not rows == event.registered_count or not least <= rows <= most:
            raise CommandError(
                f"BROKEN: {rows} rows and a count of {event.registered_count} where {least} to "
                f"{most} were due; outcomes {dict(outcomes)}"
            )
        race.check()

    def _sell_to_parties(self, race: "_Race", number: int) -> None:
        event, outcomes = race.event, race.run()
        race.check()
        registrations = list(Registration.objects.filter(event=event).order_by("email"))
        _cancel_concurrently(registrations[::3])
        event.refresh_from_db()
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        self.stdout.write(
            f"round {number}: {counts} of {race.clients} parties; then {len(registrations[::3])} "
            f"cancelled; {event.registered_count} people on {event.max_capacity} seats, "
            f"{event.queue_length} parties of {event.waitlist_count} people wait"
        )
        unexpected = outcomes.keys() - {"confirmed", "waitlisted", "party_too_large", "killed"}
        if unexpected or event.registered_count > (event.max_capacity or 0):
            raise CommandError(f"BROKEN: outcomes {dict(outcomes)}")
        race.check()


class _Race:
    """Clients that register at the same moment, each on a connection of its own.

    Each of the first `kills` that have registered terminates the connection of one that has not.
    """

    def __init__(self, event: Event, clients: int, party: range, kills: int) -> None:
        self.event = event
        self.clients = clients
        self.latencies: list[float] = []  # in seconds
        self._party = party
        self._kills, self._kills_left = kills, kills
        self._barrier = Barrier(clients)
        self._lock = Lock()
        self._unfinished: set[int] = set()  # the processes of PostgreSQL
        self._acknowledged: dict[UUID, int] = {}  # the size of each party

    def run(self) -> Counter[str]:
        """How many clients have each outcome."""
        with ThreadPoolExecutor(self.clients) as pool:
            outcomes = Counter(pool.map(self._run_client, range(self.clients)))
        if outcomes["killed"] > self._kills:
            raise CommandError(f"BROKEN: {outcomes['killed']} clients lost their connection.")
        return outcomes

    def check(self) -> None:
        """Raises `CommandError` if an acknowledged registration is lost, or a sum is wrong."""
        rows = Registration.objects.filter(event=self.event)
        stored = dict(rows.values_list("pk", "party_size"))
        lost = self._acknowledged.items() - stored.items()
        faults = [fault for fault in find_faults() if fault.event_id == self.event.pk]
        if lost or faults:
            raise CommandError(f"BROKEN: lost {lost}; faults {faults}")

    def _run_client(self, number: int) -> str:
        try:
            connection.ensure_connection()
            process = connection.connection.info.backend_pid
            self._unfinished.add(process)
            self._barrier.wait(60)
            started = time.perf_counter()
            outcome = self._register(number)
            self.latencies.append(time.perf_counter() - started)
            victim = self._next_victim(process)
            if victim is not None:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(%s)", [victim])
            return outcome
        finally:
            connection.close()

    def _register(self, number: int) -> str:
        party_size = self._party[number % len(self._party)]
        try:
            registration = register(
                self.event.pk,
                name=f"Client {number}",
                email=f"client{number}@invalid",
                notify=False,
                party_size=party_size,
            )
        except DomainError as error:
            return error.code
        except (OperationalError, InterfaceError):
            return "killed"
        self._acknowledged[registration.pk] = party_size
        return str(registration.status)

    def _next_victim(self, finished: int) -> int | None:
        """None for a client that is a victim itself."""
        with self._lock:
            is_victim = finished not in self._unfinished
            self._unfinished.discard(finished)
            if is_victim or not self._kills_left or not self._unfinished:
                return None
            self._kills_left -= 1
            return self._unfinished.pop()


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

    with ThreadPoolExecutor(_CANCELLING_CLIENTS) as pool:
        list(pool.map(cancel, registrations))


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

import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from registrations.benchmark_data import DataSize, Progress, generate


class Command(BaseCommand):
    help = (
        "Adds a large number of realistic events and registrations for benchmarks. "
        "Not for a database that people use."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--events", type=int, default=1_000_000)
        parser.add_argument("--registrations", type=int, default=500_000)
        parser.add_argument("--seed", type=int, default=1)

    def handle(
        self, *args: Any, events: int, registrations: int, seed: int, **options: Any
    ) -> None:
        if events < 1 or registrations < 0:
            raise CommandError("--events must be at least 1, --registrations at least 0.")
        if not settings.USES_EMBEDDED_POSTGRES and not settings.DEBUG:
            raise CommandError(
                "DATABASE_URL is set and DEBUG is off: this looks like a database that people "
                "use. Set DEBUG=on if it is not."
            )
        started = time.monotonic()
        busiest = generate(
            DataSize(events, registrations, seed),
            on_events=self._bar("events", events),
            on_registrations=self._bar("registrations", registrations),
        )
        self.stdout.write(
            f"{events:,} events and {registrations:,} registrations in "
            f"{time.monotonic() - started:.0f} s; the busiest event is {busiest}."
        )

    def _bar(self, label: str, total: int) -> Progress:
        """A progress bar, which is drawn only on a terminal."""

        def draw(number: int) -> None:
            if sys.stderr.isatty():
                filled = 30 * number // max(total, 1)
                bar = "#" * filled + "." * (30 - filled)
                end = "\n" if number > total - 1000 else ""
                self.stderr.write(f"\r[{bar}] {number:,} of {total:,} {label}", ending=end)

        return draw

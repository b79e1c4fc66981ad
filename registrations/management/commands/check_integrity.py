from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registrations.services.integrity import INVARIANTS, find_faults, find_notes, repair_counters


class Command(BaseCommand):
    help = (
        "Verifies the invariants of registrations over the whole database. "
        "Exits with 1 and names the rows that violate one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repair", action="store_true", help="Set wrong counters right, then check again."
        )

    def handle(self, *args: Any, repair: bool, **options: Any) -> None:
        faults = list(find_faults())
        if faults and repair:
            for event_id in sorted({fault.event_id for fault in faults}):
                repair_counters(event_id)
                self.stdout.write(f"event {event_id}: counters set to what the rows say")
            faults = list(find_faults())
        for fault in faults:
            self.stderr.write(f"event {fault.event_id}: {fault.detail} (broken: {fault.invariant})")
        for note in find_notes():
            self.stdout.write(f"note: {note}")
        if faults:
            raise CommandError(f"{len(faults)} faults found.", returncode=1)
        for invariant in INVARIANTS:
            self.stdout.write(f"ok: {invariant}")

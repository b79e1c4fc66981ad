import re
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from registrations.services.retention import count_old_data, forget_old_data


class Command(BaseCommand):
    help = (
        "Erases the attendees of events that ended some time ago, and older records of people. "
        "Counts stay as they are. Without --apply it only prints what it would do."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than", default="730d", help="Days, such as 730d, which is the default."
        )
        parser.add_argument(
            "--apply", "--yes", action="store_true", help="Do it. It cannot be taken back."
        )

    def handle(self, *args: Any, older_than: str, apply: bool, **options: Any) -> None:
        before = timezone.now() - _age(older_than)
        counts = forget_old_data(before) if apply else count_old_data(before)
        outcome = "forgotten" if apply else "would be forgotten"
        for name, number in counts.items():
            self.stdout.write(f"{number} {name} {outcome}")
        if not apply:
            self.stdout.write("Nothing was changed; --apply does it.")


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9][0-9]{0,4})d", text)
    if match is None:
        raise CommandError("--older-than is a number of days, such as 730d.")
    return timedelta(days=int(match[1]))

"""`manage.py import_events FILE [--organizer EMAIL]`: events from a file."""

import os
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from config.api.csv_rows import ImportRefused
from events.importing import (
    COLUMNS,
    REQUIRED_COLUMNS,
    Report,
    import_rows,
    read_csv,
    read_ics,
)

T = TypeVar("T")

_BAR_WIDTH = 40


class Command(BaseCommand):
    help = (
        "Imports events from a calendar (.ics), or from a CSV file whose first line names the "
        "columns, both in UTF-8. "
        f"Required: {', '.join(REQUIRED_COLUMNS)}. "
        f"Optional: {', '.join(name for name in COLUMNS if name not in REQUIRED_COLUMNS)}. "
        "What recurs in a calendar becomes a series. "
        "All rows go in or none. Rows that were imported before are left as they are, so a file "
        "can be imported again. Ends with 0 when every row is in, else with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--organizer",
            metavar="EMAIL",
            help="Whose events they become; left out: the only superuser's. Times without an "
            "offset, in rows without a timezone, are in this account's.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Report what would happen; write nothing."
        )
        parser.add_argument(
            "--skip-errors", action="store_true", help="Import the good rows, leave out the bad."
        )

    def handle(
        self, *, file: Path, organizer: str | None, dry_run: bool, skip_errors: bool, **options: Any
    ) -> None:
        owner = _only_superuser() if organizer is None else _organizer(organizer)
        try:
            read = read_ics if file.suffix.lower() in {".ics", ".ical"} else read_csv
            with file.open("rb") as content:
                report = import_rows(
                    self._with_progress(read(content), content),
                    owner,
                    dry_run=dry_run,
                    skip_errors=skip_errors,
                )
        except OSError as error:
            raise CommandError(f"Cannot read {file}: {error.strerror}.") from error
        except ImportRefused as error:
            raise CommandError(f"{file}: {error}") from error
        self._tell(report, file, dry_run=dry_run)

    def _with_progress(self, rows: Iterator[T], content: BinaryIO) -> Iterator[T]:
        """The same rows; on a terminal a bar shows how much of the file has been read."""
        size = os.fstat(content.fileno()).st_size
        if not (self.stderr.isatty() and size):
            yield from rows
            return
        shown = -1
        try:
            for row in rows:
                percent = content.tell() * 100 // size
                if percent != shown:
                    shown = percent
                    bar = ("#" * (percent * _BAR_WIDTH // 100)).ljust(_BAR_WIDTH, ".")
                    self._show(f"\r[{bar}] {percent:3}%")
                yield row
        finally:
            self._show("\r" + " " * (_BAR_WIDTH + 7) + "\r")

    def _show(self, text: str) -> None:
        self.stderr.write(text, style_func=str, ending="")
        self.stderr.flush()

    def _tell(self, report: Report, file: Path, *, dry_run: bool) -> None:
        for error in report.errors:
            self.stderr.write(str(error), style_func=str)
        rows = report.created + report.already_there + report.bad
        created = "created" if report.saved else "would be created"
        self.stdout.write(
            f"{rows:,} rows: {report.created:,} {created}, "
            f"{report.already_there:,} already there, {report.bad:,} bad."
        )
        if report.series:
            self.stdout.write(f"{report.series:,} recur, {report.occurrences:,} times in all.")
        if report.new_categories:
            self.stdout.write(f"New categories: {', '.join(sorted(report.new_categories))}.")
        if dry_run:
            self.stdout.write("This was a dry run: nothing was written.")
        if report.bad:
            raise CommandError(_consequence(report, file, dry_run=dry_run))


def _only_superuser() -> User:
    superusers = User.objects.filter(is_superuser=True, is_active=True)[:2]
    if len(superusers) != 1:
        raise CommandError("Say with --organizer EMAIL whose events they become.")
    return superusers[0]


def _organizer(email: str) -> User:
    user = User.objects.filter(email=email).first()
    if user is None:
        raise CommandError(
            f"No account has the address {email}. Check it, or let the organizer sign up first."
        )
    if not user.may_organize:
        raise CommandError(
            f"The account {email} has the role {user.role}. "
            "Give it the role organizer first, in the admin or with PATCH /api/me/."
        )
    if not user.is_active:
        raise CommandError(f"The account {email} is not active. Choose another one.")
    return user


def _consequence(report: Report, file: Path, *, dry_run: bool) -> str:
    bad = "1 row is bad" if report.bad == 1 else f"{report.bad:,} rows are bad"
    if report.saved:
        return f"{bad} and left out; the others are in. Correct {file} and import it again."
    if dry_run:
        return f"{bad}. Correct {file}, or import the others with --skip-errors."
    return (
        f"{bad}, so nothing was imported. Correct {file}, or import the others with --skip-errors."
    )

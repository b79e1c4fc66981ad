"""`manage.py import_events FILE [--organizer EMAIL]`: events from a file."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from config.api.files.csv_rows import ImportRefused, Row, RowError, short_list
from events.importing import FIELDS, Report, import_rows, read_events

_BAR_WIDTH = 40


class Command(BaseCommand):
    help = (
        "Imports events from a calendar (.ics), an XLSX file, or a CSV file whose first line names "
        f"the columns. Required: name, location, start_time. Known: {', '.join(FIELDS)}. "
        "An entry of a calendar that recurs becomes a series. "
        "All rows are imported, or none. Rows that were imported before stay unchanged, so a file "
        "can be imported again. A later version of a calendar's entry updates its event. "
        "Ends with 0 if every row is imported, else with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--organizer",
            metavar="EMAIL",
            help="The address of the account that gets the events. Default: the only superuser. "
            "Its zone applies to times without an offset in rows without a timezone.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Report the result without saving anything."
        )
        parser.add_argument(
            "--skip-errors", action="store_true", help="Import the valid rows, skip the others."
        )

    def handle(
        self, *, file: Path, organizer: str | None, dry_run: bool, skip_errors: bool, **options: Any
    ) -> None:
        owner = _only_superuser() if organizer is None else _organizer(organizer)
        try:
            content = file.read_bytes()
            table = read_events(
                content,
                organizer_zone=owner.timezone,
                as_calendar=file.suffix.lower() in {".ics", ".ical"},
            )
            report = import_rows(
                self._with_progress(table.rows, content.count(b"\n") + 1),
                owner,
                dry_run=dry_run,
                skip_errors=skip_errors,
            )
        except OSError as error:
            raise CommandError(f"Cannot read {file}: {error.strerror}.") from error
        except ImportRefused as error:
            raise CommandError(f"{file}: {error}") from error
        self._print_report(report, file, table.ignored_columns, dry_run=dry_run)

    def _with_progress(
        self, rows: Iterator[Row | RowError], lines: int
    ) -> Iterator[Row | RowError]:
        """The same rows. On a terminal, a bar shows the progress through the file."""
        if not self.stderr.isatty():
            yield from rows
            return
        percent = -1
        try:
            for row in rows:
                percent = self._show_bar(min(row.line * 100 // lines, 100), percent)
                yield row
            self._show_bar(100, percent)
        finally:
            self._show("\r" + " " * (_BAR_WIDTH + 7) + "\r")

    def _show_bar(self, percent: int, last_percent: int) -> int:
        if percent != last_percent:
            bar = ("#" * (percent * _BAR_WIDTH // 100)).ljust(_BAR_WIDTH, ".")
            self._show(f"\r[{bar}] {percent:3}%")
        return percent

    def _show(self, text: str) -> None:
        self.stderr.write(text, style_func=str, ending="")
        self.stderr.flush()

    def _print_report(
        self, report: Report, file: Path, ignored: list[str], *, dry_run: bool
    ) -> None:
        for line in (*report.errors, *report.notes):
            self.stderr.write(str(line), style_func=str)
        counts = report.count()
        is_saved = not dry_run and not self._is_refused(report)
        others = "".join(
            f", {counts[outcome]:,} {outcome}"
            for outcome in ("updated", "cancelled")
            if counts[outcome]
        )
        self.stdout.write(
            f"{len(report.results):,} rows: {counts['created']:,} "
            f"{'created' if is_saved else 'would be created'}{others}, "
            f"{counts['unchanged']:,} already there, {counts['refused']:,} bad."
        )
        if report.series:
            self.stdout.write(f"{report.series:,} recur, {report.occurrences:,} times in all.")
        if report.new_categories:
            self.stdout.write(f"New categories: {', '.join(sorted(report.new_categories))}.")
        if ignored:
            self.stdout.write(f"Not read: {short_list(ignored, 30)}.")
        if dry_run:
            self.stdout.write("This was a dry run: nothing was written.")
        if report.refused:
            raise CommandError(_consequence(report, file, dry_run=dry_run))

    def _is_refused(self, report: Report) -> bool:
        return bool(report.refused) and not report.saved


def _only_superuser() -> User:
    superusers = User.objects.filter(is_superuser=True, is_active=True)[:2]
    if len(superusers) != 1:
        raise CommandError("Name the organizer of the events by --organizer EMAIL.")
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
    bad = "1 row is bad" if report.refused == 1 else f"{report.refused:,} rows are bad"
    if report.saved:
        return f"{bad} and left out; the others are in. Correct {file} and import it again."
    if dry_run:
        return f"{bad}. Correct {file}, or import the others with --skip-errors."
    return (
        f"{bad}, so nothing was imported. Correct {file}, or import the others with --skip-errors."
    )

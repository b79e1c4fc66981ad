import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.operations.client_programs import find_program, run, run_for_database

_NAME = re.compile(r"events-\d{8}T\d{6}Z\.dump")


class Command(BaseCommand):
    help = (
        "Writes a backup of the database into a directory, checks that it can be read, and deletes "
        "old backups there if --keep says so. The command restore reads it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument(
            "--keep", type=int, metavar="N", help="Delete all but the N latest backups there."
        )

    def handle(self, *args: Any, directory: Path, keep: int | None, **options: Any) -> None:
        if keep is not None and keep < 1:
            raise CommandError("--keep must be at least 1.")
        backup = directory / f"events-{timezone.now():%Y%m%dT%H%M%SZ}.dump"
        unfinished = backup.with_suffix(".unfinished")
        try:
            # Closed to others from the start, since it contains personal data.
            os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise CommandError(f"Cannot write {unfinished}: {error.strerror}") from error
        try:
            _dump(unfinished)
            unfinished.rename(backup)
        finally:
            unfinished.unlink(missing_ok=True)
        self.stdout.write(f"{backup}: {backup.stat().st_size} bytes")
        _delete_unfinished(directory)
        if keep is not None:
            _delete_old(directory, keep)


def _dump(path: Path) -> None:
    run_for_database(
        "pg_dump",
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        "--no-comments",  # Only the owner of an extension may restore its comment.
        "--no-unlogged-table-data",  # Counts of rate limits.
        f"--file={path}",
    )
    # Reads all of it.
    run(find_program("pg_restore"), "--file=/dev/null", path)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _delete_unfinished(directory: Path) -> None:
    """Delete what a killed backup left a day ago, since it contains personal data."""
    for path in directory.glob("events-*.unfinished"):
        if path.stat().st_mtime < (timezone.now() - timedelta(days=1)).timestamp():
            path.unlink(missing_ok=True)


def _delete_old(directory: Path, keep: int) -> None:
    backups = sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))
    for path in backups[:-keep]:
        path.unlink()

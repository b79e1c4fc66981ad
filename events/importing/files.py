"""Reads files of events in any format."""

from collections.abc import Iterator
from dataclasses import replace

from config.api.files.csv_rows import ImportRefused, Row, RowError
from config.api.files.tables import Table

from .calendars import read_ics
from .tables import read_csv


def read_events(
    content: bytes,
    *,
    organizer_zone: str,
    charset: str | None = None,
    as_calendar: bool = False,
    max_rows: int | None = None,
) -> Table:
    """The rows of a calendar, a CSV file or a spreadsheet. The first bytes decide the format.

    Raises `ImportRefused`, also while the rows are read.
    """
    if as_calendar or is_calendar(content):
        return read_ics(
            content, charset=charset, organizer_zone=organizer_zone, max_entries=max_rows
        )
    table = read_csv(content, charset)
    return table if max_rows is None else replace(table, rows=_at_most(table.rows, max_rows))


def is_calendar(content: bytes) -> bool:
    """Whether a file begins like a calendar, in any encoding."""
    head = content[:400].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    return head[:15].upper() == b"BEGIN:VCALENDAR"


def _at_most(rows: Iterator[Row | RowError], number: int) -> Iterator[Row | RowError]:
    for index, row in enumerate(rows):
        if index == number:
            raise ImportRefused(f"Send at most {number:,} rows at once.", "max_length")
        yield row

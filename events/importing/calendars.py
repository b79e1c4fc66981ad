"""Rows of iCalendar files (RFC 5545).

Each VEVENT is a row. A row that recurs has the entries that change its occurrences.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from config.api.files.csv_rows import Row, RowError
from config.api.files.tables import Table

from .calendar_properties import BadProperty, Properties, is_day, with_time
from .ics_files import MAX_ENTRY, Entry, read_components
from .zones import ZoneResolver

NO_PLACE = "To be announced"
MAX_SEQUENCE = 2**31 - 1  # what the column holds

# The property that each cell is read from.
PROPERTIES = {
    "name": "SUMMARY",
    "description": "DESCRIPTION",
    "location": "LOCATION",
    "latitude": "GEO",
    "longitude": "GEO",
    "start_time": "DTSTART",
    "end_time": "DTEND",
    "timezone": "DTSTART",
    "category": "CATEGORIES",
    "url": "URL",
    "status": "STATUS",
}

_STATUS = {"CONFIRMED": "published", "TENTATIVE": "draft", "CANCELLED": "", "": ""}
_PRIVATE = frozenset({"PRIVATE", "CONFIDENTIAL"})
# Notes on properties that are not read and change the event.
_UNSUPPORTED = {
    "EXRULE": "EXRULE is not read: the occurrences that it leaves out take place.",
    "ATTACH": "Attachments are not read.",
}


@dataclass(frozen=True, slots=True)
class CalendarRow(Row):
    """A VEVENT. Moments are as in `calendar_properties`.

    `added` has the begin and the end of each RDATE. `occurrence` is the RECURRENCE-ID, and
    `occurrence_day` its day as written. `version` orders entries with the same UID. `changed` has
    the entries that change an occurrence of this one. `notes` name what is not read.
    """

    rule: str = ""
    excluded: tuple[str, ...] = ()
    added: tuple[tuple[str, str], ...] = ()
    occurrence: str = ""
    occurrence_day: str = ""
    is_cancelled: bool = False
    is_private: bool = False
    is_whole_day: bool = False
    sequence: int = 0
    version: tuple[int, str, str, int] = (0, "", "", 0)
    categories: tuple[str, ...] = ()
    changed: tuple["CalendarRow", ...] = ()
    notes: tuple[RowError, ...] = ()

    @property
    def series_identity(self) -> str:
        """The identity of the entry whose occurrence this one changes."""
        return self.identity.removesuffix(f" {self.occurrence}")


def read_ics(
    content: bytes,
    *,
    charset: str | None = None,
    organizer_zone: str = "UTC",
    max_entries: int | None = None,
) -> Table:
    """The rows of an iCalendar file, in the order of their lines.

    Of several versions with the same UID, only the latest is a row. An entry with a RECURRENCE-ID
    is in `changed` of its series. Raises `ImportRefused`.
    """
    file = read_components(content, charset, max_entries=max_entries)
    zones = ZoneResolver(file.calendars, organizer_zone)
    entries = [entry for calendar in file.calendars for entry in calendar.entries]
    return Table(_rows(entries, zones), list(file.ignored))


def _rows(entries: list[Entry], zones: ZoneResolver) -> Iterator[Row | RowError]:
    by_identity: dict[str, list[CalendarRow]] = {}
    for index, entry in enumerate(entries):
        row = _row(entry, index, zones)
        if isinstance(row, RowError):
            yield row
        else:
            by_identity.setdefault(row.identity or f"line {row.line}", []).append(row)
    rows = [row for group in by_identity.values() for row in _joined(_latest(group))]
    yield from sorted(rows, key=lambda row: row.line)


def _latest(rows: Iterable[CalendarRow]) -> list[CalendarRow]:
    """The latest version of each occurrence. The entry without RECURRENCE-ID comes first."""
    latest: dict[str, CalendarRow] = {}
    older: dict[str, list[int]] = {}
    for row in rows:
        other = latest.get(row.occurrence)
        if other is None or row.version >= other.version:
            latest[row.occurrence] = row
        if other is not None:
            obsolete = min(row, other, key=lambda each: each.version)
            older.setdefault(row.occurrence, []).append(obsolete.line)
    for occurrence, lines in older.items():
        row = latest[occurrence]
        older_lines = ", ".join(map(str, lines[:5]))
        reason = f"This is the latest version; that of line {older_lines} is left out."
        note = RowError(row.line, "UID", reason)
        latest[occurrence] = replace(row, notes=(*row.notes, note))
    return sorted(latest.values(), key=lambda row: row.occurrence)


def _joined(rows: list[CalendarRow]) -> Iterator[CalendarRow]:
    """The rows of one UID. A series includes the rows that change its occurrences."""
    first, changes = rows[0], [row for row in rows if row.occurrence]
    if (first.rule or first.added) and not first.occurrence:
        yield replace(first, changed=tuple(changes))
    else:
        for row in rows:
            yield replace(row, identity=f"{row.identity} {row.occurrence}".strip())


# --- One entry ----------------------------------------------------------------------------------


def _row(entry: Entry, index: int, zones: ZoneResolver) -> CalendarRow | RowError:
    if not entry.is_complete or not (entry.lines or entry.plain):
        reason = "The entry has no line END:VEVENT, or nothing in it."
        return RowError(entry.line, None, reason)
    if entry.size > MAX_ENTRY:
        return RowError(entry.line, None, f"The entry has more than {MAX_ENTRY:,} characters.")
    try:
        return _read(entry, index, Properties(entry, zones))
    except BadProperty as error:
        return RowError(entry.line, error.name, str(error))


def _read(entry: Entry, index: int, properties: Properties) -> CalendarRow:
    status = properties.text("STATUS").upper()
    if status not in _STATUS:
        raise BadProperty("STATUS", "Write CONFIRMED, TENTATIVE or CANCELLED.")
    is_cancelled = status == "CANCELLED" or entry.calendar.method == "CANCEL"
    is_private = entry.plain.get("CLASS", "").upper() in _PRIVATE
    start = properties.moment("DTSTART")
    occurrence = properties.moment("RECURRENCE-ID") or ""
    if start is None and is_cancelled and occurrence:
        start = occurrence
    if start is None:
        raise BadProperty("DTSTART", "The property is missing.")
    zone = properties.zone or properties.calendar_zone
    rule = properties.raw("RRULE")
    if rule and properties.zone is None and start.endswith("Z"):
        zone = "UTC"  # the rule is expanded in UTC
    categories = properties.categories()
    cells = {
        "name": " ".join(properties.text("SUMMARY").split()),
        "description": properties.text("DESCRIPTION"),
        "location": " ".join(properties.text("LOCATION").split()) or NO_PLACE,
        **_coordinates(entry.plain.get("GEO", "")),
        "start_time": with_time(start),
        "end_time": with_time(properties.end(start)),
        "timezone": zone or "",
        "category": next(iter(categories), ""),
        "url": properties.text("URL"),
        "status": "draft" if is_private else _STATUS[status],
    }
    uid = properties.text("UID")
    sequence = _sequence(entry.plain.get("SEQUENCE", ""))
    is_whole_day = is_day(start)
    stamps = (entry.plain.get("LAST-MODIFIED", ""), entry.plain.get("DTSTAMP", ""))
    return CalendarRow(
        entry.line,
        {name: cell for name, cell in cells.items() if cell},
        identity=f"ics:{uid}" if uid else "",
        rule=rule,
        excluded=tuple(properties.moments("EXDATE", as_days=is_whole_day)),
        added=tuple(properties.added(as_days=is_whole_day)),
        occurrence=occurrence,
        occurrence_day=next(properties.moments("RECURRENCE-ID", as_days=True), ""),
        is_cancelled=is_cancelled,
        is_private=is_private,
        is_whole_day=is_whole_day,
        sequence=sequence,
        version=(sequence, *stamps, index),
        categories=categories,
        notes=tuple(_notes(entry, properties)),
    )


def _notes(entry: Entry, properties: Properties) -> Iterator[RowError]:
    for name, reason in _UNSUPPORTED.items():
        if name in entry.ignored:
            yield RowError(entry.line, name, reason)
    if properties.zone is None and entry.calendar.zone_name and not properties.calendar_zone:
        reason = f"{entry.calendar.zone_name[:60]!r} is no zone; the organizer's is used."
        yield RowError(entry.line, "X-WR-TIMEZONE", reason, "unknown_timezone")


def _sequence(text: str) -> int:
    return min(int(text), MAX_SEQUENCE) if re.fullmatch("[0-9]{1,20}", text) else 0


def _coordinates(geo: str) -> dict[str, str]:
    """GEO (section 3.8.1.6): degrees north and east."""
    match = re.fullmatch(r"([+-]?[0-9]{1,2}(?:\.[0-9]+)?);([+-]?[0-9]{1,3}(?:\.[0-9]+)?)", geo)
    return {"latitude": match[1], "longitude": match[2]} if match else {}

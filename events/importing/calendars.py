"""Rows of iCalendar files (RFC 5545): each VEVENT is one, with what recurs and what was moved."""

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.text import slugify
from icalendar import Event as CalendarEvent

from config.api.files.csv_rows import Row, RowError
from config.api.files.tables import Table

from ..zones import at_wall_clock, wall_clock
from .ics_files import MAX_ENTRY, TEXTS, WHEN, Entry, read_components
from .zones import UnknownZone, ZoneResolver

NO_PLACE = "To be announced"
MAX_SEQUENCE = 2**31 - 1  # what the column holds

# What a cell is called in a calendar.
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
# There may be several of these.
_REPEATED = frozenset({"EXDATE", "RDATE", "CATEGORIES"})
_LOST = {
    "EXRULE": "EXRULE is not read: the occurrences that it leaves out take place.",
    "ATTACH": "Attachments are not read.",
}
_DAY = timedelta(days=1)
_DAY_LENGTH = len("2027-03-01")


@dataclass(frozen=True, slots=True)
class CalendarRow(Row):
    """A VEVENT. Times beside the cells are ISO 8601: with `Z`, floating, or a day.

    `added` are RDATEs, each with its end or an empty text. `occurrence_day` is the day that
    RECURRENCE-ID is written with. `version` orders entries with one UID. `notes` say what of the
    entry is not read.
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
        """That of the entry which this one changes an occurrence of."""
        return self.identity.removesuffix(f" {self.occurrence}")


class _BadProperty(ValueError):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


def read_ics(
    content: bytes,
    *,
    charset: str | None = None,
    organizer_zone: str = "UTC",
    max_entries: int | None = None,
) -> Table:
    """The events of an iCalendar file, by the lines that they begin in.

    Of the entries with one UID the latest version is left. An occurrence that was moved or
    cancelled (RECURRENCE-ID) is `changed` of its series. Raises `ImportRefused`.
    """
    file = read_components(content, charset, max_entries=max_entries)
    zones = ZoneResolver(file.calendars, organizer_zone)
    entries = [entry for calendar in file.calendars for entry in calendar.entries]
    return Table(_rows(entries, zones), list(file.ignored))


def _rows(entries: list[Entry], zones: ZoneResolver) -> Iterator[Row | RowError]:
    found = [_row(entry, place, zones) for place, entry in enumerate(entries)]
    yield from (row for row in found if isinstance(row, RowError))
    rows = [row for row in found if isinstance(row, CalendarRow)]
    by_identity: dict[str, list[CalendarRow]] = {}
    for row in rows:
        by_identity.setdefault(row.identity or f"line {row.line}", []).append(row)
    joined = [row for group in by_identity.values() for row in _joined(_latest(group))]
    yield from sorted(joined, key=lambda row: row.line)


def _latest(rows: Iterable[CalendarRow]) -> list[CalendarRow]:
    """Of each occurrence the latest version, the entry without RECURRENCE-ID first."""
    latest: dict[str, CalendarRow] = {}
    older: dict[str, list[int]] = {}
    for row in rows:
        other = latest.get(row.occurrence)
        if other is None or row.version >= other.version:
            latest[row.occurrence] = row
        if other is not None:
            left_out = min(row, other, key=lambda each: each.version)
            older.setdefault(row.occurrence, []).append(left_out.line)
    for occurrence, lines in older.items():
        row = latest[occurrence]
        shown = ", ".join(map(str, lines[:5]))
        note = RowError(
            row.line, "UID", f"This is the latest version; that of line {shown} is left out."
        )
        latest[occurrence] = replace(row, notes=(*row.notes, note))
    return sorted(latest.values(), key=lambda row: row.occurrence)


def _joined(rows: list[CalendarRow]) -> Iterator[CalendarRow]:
    """The rows of one UID: a series takes those that change one of its occurrences."""
    first, changes = rows[0], [row for row in rows if row.occurrence]
    if (first.rule or first.added) and not first.occurrence:
        yield replace(first, changed=tuple(changes))
    else:
        for row in rows:
            yield replace(row, identity=f"{row.identity} {row.occurrence}".strip())


# --- One entry ----------------------------------------------------------------------------------


def _row(entry: Entry, place: int, zones: ZoneResolver) -> CalendarRow | RowError:
    if not entry.is_complete or not (entry.lines or entry.plain):
        reason = "The entry has no line END:VEVENT, or nothing in it."
        return RowError(entry.line, None, reason)
    if entry.size > MAX_ENTRY:
        return RowError(entry.line, None, f"The entry has more than {MAX_ENTRY:,} characters.")
    try:
        return _read(entry, place, _Properties(entry, zones))
    except _BadProperty as error:
        return RowError(entry.line, error.name, str(error))


def _read(entry: Entry, place: int, properties: "_Properties") -> CalendarRow:
    status = properties.text("STATUS").upper()
    if status not in _STATUS:
        raise _BadProperty("STATUS", "Write CONFIRMED, TENTATIVE or CANCELLED.")
    is_cancelled = status == "CANCELLED" or entry.calendar.method == "CANCEL"
    is_private = entry.plain.get("CLASS", "").upper() in _PRIVATE
    start = properties.moment("DTSTART")
    occurrence = properties.moment("RECURRENCE-ID") or ""
    if start is None and is_cancelled and occurrence:
        start = occurrence
    if start is None:
        raise _BadProperty("DTSTART", "The property is missing.")
    zone = properties.zone or properties.calendar_zone
    rule = properties.raw("RRULE")
    if rule and properties.zone is None and start.endswith("Z"):
        zone = "UTC"  # whose clocks the rule then goes by
    categories = properties.categories()
    cells = {
        "name": " ".join(properties.text("SUMMARY").split()),
        "description": properties.text("DESCRIPTION"),
        "location": " ".join(properties.text("LOCATION").split()) or NO_PLACE,
        **_place(entry.plain.get("GEO", "")),
        "start_time": _at(start),
        "end_time": _at(properties.end(start)),
        "timezone": zone or "",
        "category": next(iter(categories), ""),
        "url": properties.text("URL"),
        "status": "draft" if is_private else _STATUS[status],
    }
    uid = properties.text("UID")
    sequence = _sequence(entry.plain.get("SEQUENCE", ""))
    is_whole_day = len(start) == _DAY_LENGTH
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
        version=(sequence, *stamps, place),
        categories=categories,
        notes=tuple(_notes(entry, properties)),
    )


def _notes(entry: Entry, properties: "_Properties") -> Iterator[RowError]:
    for name, reason in _LOST.items():
        if name in entry.ignored:
            yield RowError(entry.line, name, reason)
    if properties.zone is None and entry.calendar.zone_name and not properties.calendar_zone:
        reason = f"{entry.calendar.zone_name[:60]!r} is no zone; the organizer's is used."
        yield RowError(entry.line, "X-WR-TIMEZONE", reason, "unknown_timezone")


def _sequence(text: str) -> int:
    return min(int(text), MAX_SEQUENCE) if re.fullmatch("[0-9]{1,20}", text) else 0


def _place(geo: str) -> dict[str, str]:
    """GEO (section 3.8.1.6): degrees north and east."""
    found = re.fullmatch(r"([+-]?[0-9]{1,2}(?:\.[0-9]+)?);([+-]?[0-9]{1,3}(?:\.[0-9]+)?)", geo)
    return {"latitude": found[1], "longitude": found[2]} if found else {}


def _at(moment: str) -> str:
    """A day as the midnight that it begins with."""
    return f"{moment}T00:00:00" if len(moment) == _DAY_LENGTH else moment


class _Properties:
    """The properties of a VEVENT that are read, as text."""

    def __init__(self, entry: Entry, zones: ZoneResolver) -> None:
        self.zone: str | None = None
        self._calendar, self._zones = entry.calendar, zones
        lengths = (_length(line) for line in entry.lines if _name(line) == "DURATION")
        self._length = next(lengths, None)
        body = "\r\n".join(["BEGIN:VEVENT", *entry.lines, "END:VEVENT", ""])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on names of zones, which are looked up below
                self._found: Any = CalendarEvent.from_ical(body)
        except (ValueError, OverflowError, LookupError, TypeError, AttributeError) as error:
            raise _BadProperty("VEVENT", "The entry cannot be read.") from error
        for name, reason in self._found.errors:
            raise _BadProperty(name or "VEVENT", f"{reason[:200]}.")
        for name in (TEXTS | WHEN) - _REPEATED:
            if isinstance(self._found.get(name), list):
                raise _BadProperty(name, "The property is given twice.")

    @property
    def calendar_zone(self) -> str | None:
        """That of the times which are in none: X-WR-TIMEZONE of the calendar."""
        name = self._calendar.zone_name
        start = getattr(self._found.get("DTSTART"), "dt", None)
        if not name or start is None:  # an entry without a start is refused
            return None
        try:
            zone = self._zones.resolve(name, self._calendar, start.year)
        except UnknownZone:
            return None
        return zone if isinstance(zone, str) else None

    def text(self, name: str) -> str:
        value = self._found.get(name)
        return "" if value is None else str(value).strip()

    def raw(self, name: str) -> str:
        value = self._found.get(name)
        return "" if value is None else value.to_ical().decode()

    def categories(self) -> tuple[str, ...]:
        """Those that can be written as a slug."""
        found = self._found.get("CATEGORIES") or []
        names = [
            str(name).strip()
            for value in (found if isinstance(found, list) else [found])
            for name in value.cats
        ]
        return tuple(name for name in names if 1 <= len(slugify(name)) <= 50)

    def moment(self, name: str) -> str | None:
        found = self._found.get(name)
        if found is None:
            return None
        if "RANGE" in found.params:
            raise _BadProperty(name, "A change of this and following occurrences is not read.")
        moment, zone = self._in_zone(name, found.dt, found.params.get("TZID"))
        if name == "DTSTART":
            self.zone = zone
        return moment

    def moments(self, name: str, *, as_days: bool) -> Iterator[str]:
        """With `as_days` the days that they are written with, whatever the zone."""
        for value, moment in self._values(name):
            if as_days and isinstance(moment, date):
                yield moment.isoformat()[:_DAY_LENGTH]
            else:
                yield self._in_zone(name, moment, value.params.get("TZID"))[0]

    def added(self, *, as_days: bool) -> Iterator[tuple[str, str]]:
        """The RDATEs, and the ends of those that are periods."""
        for value, moment in self._values("RDATE"):
            zone = value.params.get("TZID")
            if as_days and isinstance(moment, date):
                yield moment.isoformat()[:_DAY_LENGTH], ""
                continue
            if not isinstance(moment, tuple):
                yield self._in_zone("RDATE", moment, zone)[0], ""
                continue
            begin, end = moment
            try:
                end = begin + end if isinstance(end, timedelta) else end
            except (OverflowError, TypeError) as error:
                raise _BadProperty("RDATE", "The end is beyond the calendar.") from error
            yield self._in_zone("RDATE", begin, zone)[0], self._in_zone("RDATE", end, zone)[0]

    def _values(self, name: str) -> Iterator[tuple[Any, Any]]:
        found = self._found.get(name) or []
        for values in found if isinstance(found, list) else [found]:
            for value in getattr(values, "dts", [values]):
                yield values, value.dt

    def end(self, start: str) -> str:
        """Empty for what has no length: it then has that of any event."""
        end = self.moment("DTEND")
        is_day = len(start) == _DAY_LENGTH
        if end is None and self._length is not None:
            return self._after(start, *self._length)
        if is_day and (end is None or end <= start):
            return self._after(start, _DAY, timedelta(0))
        return "" if end is None or _at(end) == _at(start) else end

    def _after(self, start: str, days: timedelta, hours: timedelta) -> str:
        """Days are those of the clocks, hours are hours (section 3.3.6)."""
        try:
            begin = datetime.fromisoformat(_at(start))
            if self.zone is None:
                return _text(begin + days + hours)
            zone = ZoneInfo(self.zone)
            return _text(at_wall_clock(wall_clock(begin, zone) + days, zone) + hours)
        except OverflowError as error:
            raise _BadProperty("DURATION", "The end is beyond the calendar.") from error

    def _in_zone(self, name: str, moment: object, zone_name: str | None) -> tuple[str, str | None]:
        """A moment as text, and the IANA name of its zone, which days and UTC times have not."""
        if not isinstance(moment, datetime):
            if isinstance(moment, date):
                return moment.isoformat(), None
            raise _BadProperty(name, "Only days and times are read here.")
        try:
            if moment.tzinfo is not None and zone_name is None:
                return _text(moment), None
            local = moment.replace(tzinfo=None)
            if zone_name is None:
                return _text(local), None
            if zone_name.strip().upper() in {"UTC", "GMT", "Z"}:
                return _text(local.replace(tzinfo=UTC)), None
            zone = self._zones.resolve(zone_name, self._calendar, local.year)
            if isinstance(zone, timedelta):
                return _text((local - zone).replace(tzinfo=UTC)), "UTC"
            return _text(at_wall_clock(local, ZoneInfo(zone))), zone
        except UnknownZone as error:
            raise _BadProperty("TZID", str(error)) from error
        except OverflowError as error:
            raise _BadProperty(name, "The time is beyond the calendar.") from error


def _name(line: str) -> str:
    return re.split("[:;]", line, maxsplit=1)[0].upper()


def _length(line: str) -> tuple[timedelta, timedelta]:
    """The days and the hours of a DURATION; icalendar's reader adds them up."""
    number = "(?:([0-9]{{1,9}}){})?".format
    form = f"([+-]?)P{number('W')}{number('D')}(?:T{number('H')}{number('M')}{number('S')})?"
    found = re.fullmatch(form, line.rpartition(":")[2].strip().upper())
    if found is None:
        raise _BadProperty("DURATION", "Write a length such as P1D or PT1H30M.")
    sign = -1 if found[1] == "-" else 1
    weeks, days, hours, minutes, seconds = (int(part or 0) * sign for part in found.groups()[1:])
    return (
        timedelta(weeks=weeks, days=days),
        timedelta(hours=hours, minutes=minutes, seconds=seconds),
    )


def _text(moment: datetime) -> str:
    if moment.tzinfo is None:
        return moment.isoformat(timespec="seconds")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="seconds") + "Z"

"""Rows of iCalendar files (RFC 5545): each VEVENT is one, with what recurs and what was moved."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from django.utils.text import slugify
from icalendar import Event as CalendarEvent
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from config.api.csv_rows import ImportRefused, Row, RowError, utf8_lines
from config.api.timezones import zone_names

from ..zones import at_wall_clock, wall_clock

MAX_BYTES = 50 * 1024 * 1024
MAX_ENTRY = 100_000  # characters; a description has at most a tenth of that
MAX_DEPTH = 20
NO_PLACE = "To be announced"

# What a cell is called in a calendar.
PROPERTIES = {
    "name": "SUMMARY",
    "description": "DESCRIPTION",
    "location": "LOCATION",
    "start_time": "DTSTART",
    "end_time": "DTEND",
    "timezone": "DTSTART",
    "category": "CATEGORIES",
    "url": "URL",
    "status": "STATUS",
}

_STATUS = {"CONFIRMED": "published", "TENTATIVE": "draft", "CANCELLED": "", "": ""}
_TEXTS = ("UID", "SUMMARY", "DESCRIPTION", "LOCATION", "STATUS", "CATEGORIES", "URL")
_WHEN = ("DTSTART", "DTEND", "DURATION", "RRULE", "EXDATE", "RDATE", "RECURRENCE-ID")
_READ = frozenset({*_TEXTS, *_WHEN})
# There may be several of these.
_REPEATED = frozenset({"EXDATE", "RDATE", "CATEGORIES"})


@dataclass(frozen=True, slots=True)
class CalendarRow(Row):
    """A VEVENT. Times beside the cells are ISO 8601: with `Z`, floating, or a day."""

    rule: str = ""
    excluded: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    occurrence: str = ""
    is_cancelled: bool = False
    changed: tuple["CalendarRow", ...] = ()


_DAY = timedelta(days=1)


class _BadProperty(ValueError):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


def read_ics(file: BinaryIO) -> Iterator[Row | RowError]:
    """The events of an iCalendar file in UTF-8, told by the line that they begin in.

    An occurrence that was moved or called off (RECURRENCE-ID) is `changed` of its series. Raises
    `ImportRefused`.
    """
    calendar = _Calendar()
    found = [_row(line, text, calendar) for line, text in calendar.entries(file)]
    rows = [row for row in found if isinstance(row, CalendarRow)]
    yield from (row for row in found if isinstance(row, RowError))
    rows.sort(key=lambda row: (row.identity, bool(row.occurrence)))
    for _, group in groupby(rows, key=lambda row: row.identity or str(row.line)):
        yield from _joined(list(group))


def _joined(rows: list[CalendarRow]) -> Iterator[CalendarRow]:
    """The rows of one UID: a series takes those that change one of its occurrences."""
    first, changes = rows[0], [row for row in rows if row.occurrence]
    if first.rule and not first.occurrence:
        yield replace(first, changed=tuple(changes))
        yield from (row for row in rows[1:] if not row.occurrence)
    else:
        for row in rows:
            yield replace(row, identity=f"{row.identity} {row.occurrence}".strip())


class _Calendar:
    """A file as its entries, and what it says of zones before them."""

    def __init__(self) -> None:
        self.zone: str | None = None
        self._locations: dict[str, str] = {}
        self._timezone = ""
        self._inside: list[str] = []
        self._begins = self._size = 0
        self._parts: list[str] = []

    def entries(self, file: BinaryIO) -> Iterator[tuple[int, str]]:
        """The lines of each VEVENT, without what is nested in it, such as alarms."""
        has_calendar = False
        for number, line in _unfolded(file):
            name, _, value = line.partition(":")
            name, value = name.upper().partition(";")[0], value.strip()
            if name == "BEGIN":
                self._open(value.upper(), number)
                has_calendar = has_calendar or value.upper() == "VCALENDAR"
            elif name == "END":
                if self._closes_entry(value.upper()):
                    yield self._begins, "\r\n".join(self._parts)
            elif self._inside and self._inside[-1] == "VEVENT":
                self._keep(line)
            else:
                self._note(name, value)
        if not has_calendar:
            raise ImportRefused("This is no iCalendar file: it has no line BEGIN:VCALENDAR.")
        if "VEVENT" in self._inside:
            yield self._begins, ""

    def _open(self, component: str, number: int) -> None:
        if component == "VEVENT" and "VEVENT" not in self._inside:
            self._begins, self._size, self._parts = number, 0, []
        if len(self._inside) < MAX_DEPTH:
            self._inside.append(component)

    def _closes_entry(self, component: str) -> bool:
        if component not in self._inside:
            return False
        while self._inside.pop() != component:  # what was not closed ends with what it is in
            pass
        return component == "VEVENT" and "VEVENT" not in self._inside

    def _keep(self, line: str) -> None:
        if self._size <= MAX_ENTRY:  # beyond that it is known to be too much
            self._parts.append(line)
        self._size += len(line)

    def _note(self, name: str, value: str) -> None:
        if name == "X-WR-TIMEZONE":
            self.zone = _known(value)
        elif name == "TZID":
            self._timezone = value
        elif name == "X-LIC-LOCATION":
            self._locations[self._timezone] = value

    def zone_named(self, name: str) -> str:
        """The IANA name of a TZID: itself, one of Windows, or what its VTIMEZONE says."""
        parts = name.strip("/").split("/")
        candidates = (
            name,
            WINDOWS_TO_OLSON.get(name, ""),
            self._locations.get(name, ""),
            "/".join(parts[-3:]),
            "/".join(parts[-2:]),
        )
        for candidate in candidates:
            if known := _known(candidate):
                return known
        raise _BadProperty("TZID", f"{name[:60]!r} is no zone of the IANA database.")


def _known(name: str) -> str | None:
    if name in zone_names():
        return name
    return next((known for known in zone_names() if known.lower() == name.lower()), None)


def _unfolded(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Lines as they were before they were folded (section 3.1), and where each begins."""
    size = number = begins = 0
    parts: list[str] = []
    for number, line in enumerate(utf8_lines(file), start=1):
        size += len(line)
        if size > MAX_BYTES:
            raise ImportRefused(f"The file has more than {MAX_BYTES:,} characters. Split it.")
        text = line.rstrip("\r\n")
        if text[:1] in {" ", "\t"} and parts:
            parts.append(text[1:])
            continue
        if parts:
            yield begins, "".join(parts)
        begins, parts = number, [text]
    if parts:
        yield begins, "".join(parts)


# --- One entry ----------------------------------------------------------------------------------


def _row(line: int, text: str, calendar: _Calendar) -> CalendarRow | RowError:
    if not text:
        return RowError(line, None, "The entry has no line END:VEVENT, or nothing in it.")
    if len(text) > MAX_ENTRY:
        return RowError(line, None, f"The entry has more than {MAX_ENTRY:,} characters.")
    wanted = [part for part in text.split("\r\n") if _name(part) in _READ]
    try:
        return _read(line, _Entry(wanted, calendar))
    except _BadProperty as error:
        return RowError(line, error.name, str(error))


def _read(line: int, entry: "_Entry") -> CalendarRow:
    start = entry.moment("DTSTART")
    if start is None:
        raise _BadProperty("DTSTART", "The property is missing.")
    status = entry.text("STATUS").upper()
    if status not in _STATUS:
        raise _BadProperty("STATUS", "Write CONFIRMED, TENTATIVE or CANCELLED.")
    zone = entry.zone or entry.calendar.zone
    rule = entry.raw("RRULE")
    if rule and entry.zone is None and start.endswith("Z"):
        zone = "UTC"  # whose clocks the rule then goes by
    cells = {
        "name": " ".join(entry.text("SUMMARY").split()),
        "description": entry.text("DESCRIPTION"),
        "location": " ".join(entry.text("LOCATION").split()) or NO_PLACE,
        "start_time": _at(start),
        "end_time": _at(entry.end(start)),
        "timezone": zone or "",
        "category": entry.category(),
        "url": entry.text("URL"),
        "status": _STATUS[status],
    }
    uid = entry.text("UID")
    return CalendarRow(
        line,
        {name: cell for name, cell in cells.items() if cell},
        identity=f"ics:{uid}" if uid else "",
        rule=rule,
        excluded=tuple(entry.moments("EXDATE")),
        added=tuple(entry.moments("RDATE")),
        occurrence=entry.moment("RECURRENCE-ID") or "",
        is_cancelled=status == "CANCELLED",
    )


def _at(moment: str) -> str:
    """A day as the midnight that it begins with."""
    return f"{moment}T00:00:00" if len(moment) == len("2027-03-01") else moment


class _Entry:
    """The properties of a VEVENT that are read, as text."""

    def __init__(self, lines: list[str], calendar: _Calendar) -> None:
        self.calendar = calendar
        self.zone: str | None = None
        self.length = next((_length(line) for line in lines if _name(line) == "DURATION"), None)
        body = "\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT", ""])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on names of zones, which are looked up below
                self._found: Any = CalendarEvent.from_ical(body)
        except (ValueError, OverflowError, KeyError, IndexError) as error:
            raise _BadProperty("VEVENT", "The entry cannot be read.") from error
        for name, reason in self._found.errors:
            raise _BadProperty(name or "VEVENT", f"{reason[:200]}.")
        for name in _READ - _REPEATED:
            if isinstance(self._found.get(name), list):
                raise _BadProperty(name, "The property is given twice.")

    def text(self, name: str) -> str:
        value = self._found.get(name)
        return "" if value is None else str(value).strip()

    def raw(self, name: str) -> str:
        value = self._found.get(name)
        return "" if value is None else value.to_ical().decode()

    def category(self) -> str:
        """The first that can be written as a slug."""
        found = self._found.get("CATEGORIES") or []
        names = [
            str(name).strip()
            for value in (found if isinstance(found, list) else [found])
            for name in value.cats
        ]
        return next((name for name in names if 1 <= len(slugify(name)) <= 50), "")

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

    def moments(self, name: str) -> Iterator[str]:
        found = self._found.get(name) or []
        for values in found if isinstance(found, list) else [found]:
            for value in values.dts:
                yield self._in_zone(name, value.dt, values.params.get("TZID"))[0]

    def end(self, start: str) -> str:
        """Empty for what has no length: it then has that of any event."""
        end = self.moment("DTEND")
        if end is None and self.length is not None:
            return self._after(start, *self.length)
        if end is None and len(start) == len("2027-03-01"):
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
        is_utc = moment.tzinfo is not None and zone_name is None
        try:
            if is_utc:
                return _text(moment), None
            local = moment.replace(tzinfo=None)
            if zone_name is None or zone_name.upper() in {"UTC", "GMT", "Z"}:
                return _text(local if zone_name is None else local.replace(tzinfo=UTC)), None
            zone = self.calendar.zone_named(zone_name)
            return _text(at_wall_clock(local, ZoneInfo(zone))), zone
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

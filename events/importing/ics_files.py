"""Splits iCalendar files (RFC 5545) into components, with any folding and line ends."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from config.api.files.csv_rows import ImportRefused
from config.api.files.text_files import charset_named, decode_text, not_in_charset

MAX_BYTES = 50 * 1024 * 1024
MAX_DEPTH = 20
MAX_ENTRY = 100_000  # characters of an entry, ten times the longest description

TEXTS = frozenset({"UID", "SUMMARY", "DESCRIPTION", "LOCATION", "STATUS", "CATEGORIES", "URL"})
DATES = frozenset({"DTSTART", "DTEND", "DURATION", "RRULE", "EXDATE", "RDATE", "RECURRENCE-ID"})
#: Version, privacy and coordinates of an entry, whose values are read unparsed.
PLAIN = frozenset({"SEQUENCE", "LAST-MODIFIED", "DTSTAMP", "CLASS", "GEO"})
_READ = TEXTS | DATES | PLAIN
# Properties of the calendar that are known.
_CALENDAR_PROPERTIES = frozenset({"VERSION", "PRODID", "CALSCALE", "METHOD", "X-WR-TIMEZONE"})
_TIMEZONE_PROPERTIES = frozenset(
    {"TZID", "X-LIC-LOCATION", "DTSTART", "RRULE", "RDATE", "TZOFFSETFROM", "TZOFFSETTO"}
)
_LONG = 10_000  # characters of a line
_NAME = re.compile("[A-Za-z0-9-]+(?=[:;])")
_LINE = re.compile(r'([A-Za-z0-9-]+)((?:;[^:";]*(?:"[^"]*"[^:";]*)*)*):(.*)', re.DOTALL)


@dataclass
class Observance:
    """STANDARD or DAYLIGHT: the values of its properties. `dates` has all values of RDATE."""

    values: dict[str, str] = field(default_factory=dict)
    dates: list[str] = field(default_factory=list)


@dataclass
class Timezone:
    location: str = ""
    observances: list[Observance] = field(default_factory=list)


@dataclass
class Entry:
    """A VEVENT: the lines of known properties, and the names of the ignored ones."""

    line: int
    calendar: "Calendar"
    lines: list[str] = field(default_factory=list)
    plain: dict[str, str] = field(default_factory=dict)
    ignored: dict[str, None] = field(default_factory=dict)
    size: int = 0
    is_complete: bool = False


@dataclass
class Calendar:
    """A VCALENDAR. `zone_name` is its X-WR-TIMEZONE."""

    zone_name: str = ""
    method: str = ""
    timezones: dict[str, Timezone] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)


@dataclass
class CalendarFile:
    calendars: list[Calendar]
    ignored: dict[str, None]


def read_components(
    content: bytes, charset: str | None = None, *, max_entries: int | None = None
) -> CalendarFile:
    """The calendars of a file. Raises `ImportRefused`."""
    if len(content) > MAX_BYTES:
        raise ImportRefused(f"The file has more than {MAX_BYTES:,} bytes. Split it.", "max_length")
    scanner = _Scanner(max_entries)
    for number, line in logical_lines(content, charset):
        scanner.read(number, line)
    if not scanner.calendars:
        raise ImportRefused("This is no iCalendar file: it has no line BEGIN:VCALENDAR.")
    return CalendarFile(scanner.calendars, scanner.ignored)


def logical_lines(content: bytes, charset: str | None = None) -> Iterator[tuple[int, str]]:
    """The unfolded lines (section 3.1), each with the number of its first physical line.

    Folding counts bytes, so lines are unfolded before they are decoded. Some programs end lines
    twice. That gives lines that end in CRCRLF, and empty lines within folded ones.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or "16" in (charset or ""):
        content, charset = decode_text(content, charset).encode(), None
    encoding = charset_named(charset or "utf-8")
    content = content.removeprefix(b"\xef\xbb\xbf")
    for ending in (b"\r\r\n", b"\r\n", b"\r"):
        content = content.replace(ending, b"\n")
    first = 0
    parts: list[bytes] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line[:1] in {b" ", b"\t"} and parts:
            parts.append(line[1:])
        elif line:
            if parts:
                yield first, _decoded(first, parts, encoding)
            first, parts = number, [line]
    if parts:
        yield first, _decoded(first, parts, encoding)


def _decoded(number: int, parts: list[bytes], encoding: str) -> str:
    try:
        return b"".join(parts).decode(encoding)
    except UnicodeDecodeError as error:
        raise not_in_charset(number, encoding) from error


def _parsed(line: str) -> tuple[str, str]:
    """The name in upper case and the value of a line. Both are empty for an invalid line.

    The value of a very long line is empty as well, since matching it takes much memory. No property
    that is read here has such a value.
    """
    if len(line) > _LONG:
        name = _NAME.match(line)
        return (name[0].upper(), "") if name else ("", "")
    match = _LINE.fullmatch(line)
    return (match[1].upper(), match[3].strip()) if match else ("", "")


class _Scanner:
    """Reads lines one by one. An unclosed component ends with the one around it."""

    def __init__(self, max_entries: int | None) -> None:
        self.calendars: list[Calendar] = []
        self.ignored: dict[str, None] = {}
        self._max_entries = max_entries
        self._count = 0
        self._open_components: list[str] = []
        self._timezone = Timezone()
        self._observance = Observance()

    def read(self, number: int, line: str) -> None:
        name, value = _parsed(line)
        if not name:
            if self._open_components[-1:] == ["VEVENT"]:
                self._entry.lines.append(line)  # the parser then rejects the entry
            return
        if name == "BEGIN":
            self._open(value.upper(), number)
        elif name == "END":
            self._close(value.upper())
        elif self._open_components[-1:] == ["VEVENT"]:
            self._add_property(name, value, line)
        elif "VTIMEZONE" in self._open_components:
            self._add_timezone_property(name, value)
        elif self._open_components == ["VCALENDAR"]:
            self._add_calendar_property(name, value)

    @property
    def _entry(self) -> Entry:
        return self.calendars[-1].entries[-1]

    def _open(self, component: str, number: int) -> None:
        if component == "VCALENDAR" and "VCALENDAR" not in self._open_components:
            self.calendars.append(Calendar())
            self._open_components = []
        if not self.calendars:
            return
        if component == "VEVENT" and "VEVENT" not in self._open_components:
            self._count += 1
            if self._max_entries is not None and self._count > self._max_entries:
                raise ImportRefused(
                    f"Send at most {self._max_entries:,} events at once.", "max_length"
                )
            self.calendars[-1].entries.append(Entry(number, self.calendars[-1]))
        elif component == "VTIMEZONE":
            self._timezone = Timezone()
        elif component in {"STANDARD", "DAYLIGHT"} and "VTIMEZONE" in self._open_components:
            self._observance = Observance()
            self._timezone.observances.append(self._observance)
        elif component not in {"VCALENDAR", "VEVENT"} and len(self.ignored) < 200:
            self.ignored[component[:40]] = None
        if len(self._open_components) < MAX_DEPTH:
            self._open_components.append(component)

    def _close(self, component: str) -> None:
        if component not in self._open_components:
            return
        while self._open_components.pop() != component:
            pass
        if component == "VEVENT" and "VEVENT" not in self._open_components:
            self._entry.is_complete = True

    def _add_property(self, name: str, value: str, line: str) -> None:
        entry = self._entry
        if name not in _READ:
            if len(self.ignored) < 200:
                self.ignored[name[:40]] = None
            entry.ignored[name[:40]] = None
        elif name in PLAIN:
            entry.plain.setdefault(name, value[:100])
        else:
            if entry.size <= MAX_ENTRY:  # a larger entry is an error anyway
                entry.lines.append(line)
            entry.size += len(line)

    def _add_calendar_property(self, name: str, value: str) -> None:
        calendar = self.calendars[-1]
        if name == "X-WR-TIMEZONE":
            calendar.zone_name = value
        elif name == "METHOD":
            calendar.method = value.upper()
        elif name not in _CALENDAR_PROPERTIES and len(self.ignored) < 200:
            self.ignored[name[:40]] = None

    def _add_timezone_property(self, name: str, value: str) -> None:
        if name == "TZID" and self._open_components[-1] == "VTIMEZONE":
            self.calendars[-1].timezones.setdefault(value, self._timezone)
        elif name == "X-LIC-LOCATION":
            self._timezone.location = value
        elif name == "RDATE":
            self._observance.dates += value.split(",")
        elif name in _TIMEZONE_PROPERTIES:
            self._observance.values[name] = value

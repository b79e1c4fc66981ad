"""iCalendar files (RFC 5545) as their components, however the lines were folded and ended."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from config.api.files.csv_rows import ImportRefused
from config.api.files.text_files import charset_named, decode_text, not_in_charset

MAX_BYTES = 50 * 1024 * 1024
MAX_DEPTH = 20
MAX_ENTRY = 100_000  # characters that are read of an entry; a description has at most a tenth

TEXTS = frozenset({"UID", "SUMMARY", "DESCRIPTION", "LOCATION", "STATUS", "CATEGORIES", "URL"})
WHEN = frozenset({"DTSTART", "DTEND", "DURATION", "RRULE", "EXDATE", "RDATE", "RECURRENCE-ID"})
#: Of an entry's version, its privacy and its place; each is read as it is written.
PLAIN = frozenset({"SEQUENCE", "LAST-MODIFIED", "DTSTAMP", "CLASS", "GEO"})
_READ = TEXTS | WHEN | PLAIN
# What the file itself is, rather than what is in it.
_OF_THE_FILE = frozenset({"VERSION", "PRODID", "CALSCALE", "METHOD", "X-WR-TIMEZONE"})
_IN_A_TIMEZONE = frozenset(
    {"TZID", "X-LIC-LOCATION", "DTSTART", "RRULE", "RDATE", "TZOFFSETFROM", "TZOFFSETTO"}
)
_LONG = 10_000
_NAME = re.compile("[A-Za-z0-9-]+(?=[:;])")
_LINE = re.compile(r'([A-Za-z0-9-]+)((?:;[^:";]*(?:"[^"]*"[^:";]*)*)*):(.*)', re.DOTALL)


@dataclass
class Observance:
    """STANDARD or DAYLIGHT: the values of its properties, RDATE with all of them."""

    values: dict[str, str] = field(default_factory=dict)
    dates: list[str] = field(default_factory=list)


@dataclass
class Timezone:
    location: str = ""
    observances: list[Observance] = field(default_factory=list)


@dataclass
class Entry:
    """A VEVENT: the lines that are read, and the names of the properties that are not."""

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
    """Raises `ImportRefused`."""
    if len(content) > MAX_BYTES:
        raise ImportRefused(f"The file has more than {MAX_BYTES:,} bytes. Split it.", "max_length")
    scanner = _Scanner(max_entries)
    for number, line in logical_lines(content, charset):
        scanner.read(number, line)
    if not scanner.calendars:
        raise ImportRefused("This is no iCalendar file: it has no line BEGIN:VCALENDAR.")
    return CalendarFile(scanner.calendars, scanner.ignored)


def logical_lines(content: bytes, charset: str | None = None) -> Iterator[tuple[int, str]]:
    """Lines as they were before they were folded (section 3.1), and the number of the first.

    Folding counts bytes, so it is undone before characters are read. Lines that end in CRCRLF, and
    empty ones before the second half of a line, come from programs that end lines twice.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or "16" in (charset or ""):
        content, charset = decode_text(content, charset).encode(), None
    encoding = charset_named(charset or "utf-8")
    content = content.removeprefix(b"\xef\xbb\xbf")
    for ending in (b"\r\r\n", b"\r\n", b"\r"):
        content = content.replace(ending, b"\n")
    begins = 0
    parts: list[bytes] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line[:1] in {b" ", b"\t"} and parts:
            parts.append(line[1:])
        elif line:
            if parts:
                yield begins, _decoded(begins, parts, encoding)
            begins, parts = number, [line]
    if parts:
        yield begins, _decoded(begins, parts, encoding)


def _decoded(number: int, parts: list[bytes], encoding: str) -> str:
    try:
        return b"".join(parts).decode(encoding)
    except UnicodeDecodeError as error:
        raise not_in_charset(number, encoding) from error


def _parsed(line: str) -> tuple[str, str]:
    """The name in upper case and the value of a line; two empty texts where it is none."""
    if len(line) > _LONG:  # of these the value is not looked at here, and matching takes memory
        name = _NAME.match(line)
        return (name[0].upper(), "") if name else ("", "")
    found = _LINE.fullmatch(line)
    return (found[1].upper(), found[3].strip()) if found else ("", "")


class _Scanner:
    """Takes lines one by one. What a component does not close ends with what it is in."""

    def __init__(self, max_entries: int | None) -> None:
        self.calendars: list[Calendar] = []
        self.ignored: dict[str, None] = {}
        self._max_entries = max_entries
        self._count = 0
        self._inside: list[str] = []
        self._timezone = Timezone()
        self._observance = Observance()

    def read(self, number: int, line: str) -> None:
        name, value = _parsed(line)
        if not name:
            if self._inside[-1:] == ["VEVENT"]:
                self._entry.lines.append(line)  # which makes the entry unreadable
            return
        if name == "BEGIN":
            self._open(value.upper(), number)
        elif name == "END":
            self._close(value.upper())
        elif self._inside[-1:] == ["VEVENT"]:
            self._keep(name, value, line)
        elif "VTIMEZONE" in self._inside:
            self._note_zone(name, value)
        elif self._inside == ["VCALENDAR"]:
            self._note(name, value)

    @property
    def _entry(self) -> Entry:
        return self.calendars[-1].entries[-1]

    def _open(self, component: str, number: int) -> None:
        if component == "VCALENDAR" and "VCALENDAR" not in self._inside:
            self.calendars.append(Calendar())
            self._inside = []
        if not self.calendars:
            return
        if component == "VEVENT" and "VEVENT" not in self._inside:
            self._count += 1
            if self._max_entries is not None and self._count > self._max_entries:
                raise ImportRefused(
                    f"Send at most {self._max_entries:,} events at once.", "max_length"
                )
            self.calendars[-1].entries.append(Entry(number, self.calendars[-1]))
        elif component == "VTIMEZONE":
            self._timezone = Timezone()
        elif component in {"STANDARD", "DAYLIGHT"} and "VTIMEZONE" in self._inside:
            self._observance = Observance()
            self._timezone.observances.append(self._observance)
        elif component not in {"VCALENDAR", "VEVENT"} and len(self.ignored) < 200:
            self.ignored[component[:40]] = None
        if len(self._inside) < MAX_DEPTH:
            self._inside.append(component)

    def _close(self, component: str) -> None:
        if component not in self._inside:
            return
        while self._inside.pop() != component:
            pass
        if component == "VEVENT" and "VEVENT" not in self._inside:
            self._entry.is_complete = True

    def _keep(self, name: str, value: str, line: str) -> None:
        entry = self._entry
        if name not in _READ:
            if len(self.ignored) < 200:
                self.ignored[name[:40]] = None
            entry.ignored[name[:40]] = None
        elif name in PLAIN:
            entry.plain.setdefault(name, value[:100])
        else:
            if entry.size <= MAX_ENTRY:  # beyond that it is known to be too much
                entry.lines.append(line)
            entry.size += len(line)

    def _note(self, name: str, value: str) -> None:
        calendar = self.calendars[-1]
        if name == "X-WR-TIMEZONE":
            calendar.zone_name = value
        elif name == "METHOD":
            calendar.method = value.upper()
        elif name not in _OF_THE_FILE and len(self.ignored) < 200:
            self.ignored[name[:40]] = None

    def _note_zone(self, name: str, value: str) -> None:
        if name == "TZID" and self._inside[-1] == "VTIMEZONE":
            self.calendars[-1].timezones.setdefault(value, self._timezone)
        elif name == "X-LIC-LOCATION":
            self._timezone.location = value
        elif name == "RDATE":
            self._observance.dates += value.split(",")
        elif name in _IN_A_TIMEZONE:
            self._observance.values[name] = value

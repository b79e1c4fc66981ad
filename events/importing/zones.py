"""Resolves the TZIDs of a calendar to zones of the IANA database."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import cache, lru_cache
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from config.api.http.timezones import zone_names

from ..recurrence import Schedule, parse_rule
from .ics_files import Calendar, Observance, Timezone

#: The years of a VTIMEZONE that are compared, from the year of the event on.
YEARS = 6
MAX_COMPARISONS = 50

_WEEK, _SECOND = timedelta(days=7), timedelta(seconds=1)
_OFFSET = re.compile(r"(?i:UTC|GMT)?\s*([+-])([0-9]{1,2})(?::?([0-9]{2}))?(?::?([0-9]{2}))?")
# CLDR, the source of the table, keeps a zone's first name. These are their names in the IANA
# database, which organizers choose from.
_RENAMED = {
    "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
    "America/Godthab": "America/Nuuk",
    "America/Indianapolis": "America/Indiana/Indianapolis",
    "Asia/Calcutta": "Asia/Kolkata",
    "Asia/Katmandu": "Asia/Kathmandu",
    "Asia/Rangoon": "Asia/Yangon",
    "Europe/Kiev": "Europe/Kyiv",
}
_WINDOWS = {name.casefold(): _RENAMED.get(zone, zone) for name, zone in WINDOWS_TO_OLSON.items()}

Transitions = tuple[timedelta, tuple[tuple[datetime, timedelta], ...]]


class UnknownZone(ValueError):
    """No zone has the name of the TZID or the rules of its VTIMEZONE."""


@dataclass
class ZoneResolver:
    """Resolves the names of one file. Of several equal zones, it prefers `organizer_zone`."""

    calendars: list[Calendar]
    organizer_zone: str = "UTC"
    _known: dict[tuple[int, str, int], "str | timedelta"] = field(default_factory=dict)
    _comparisons: int = 0

    def resolve(self, name: str, calendar: Calendar, year: int) -> "str | timedelta":
        """An IANA name, or an offset that no zone has. Raises `UnknownZone`.

        In this order: an IANA zone, a Windows zone, X-LIC-LOCATION, the zone with the rules of the
        VTIMEZONE from `year` on, a fixed offset.
        """
        key = (id(calendar), name, year)
        if key not in self._known:
            self._known[key] = self._resolved(name, calendar, year)
        return self._known[key]

    def _resolved(self, name: str, calendar: Calendar, year: int) -> "str | timedelta":
        defined = self._defined(name, calendar)
        location = defined.location if defined else ""
        for candidate in (name, _WINDOWS.get(name.strip().casefold()), location, *_endings(name)):
            if candidate and (zone := known_zone(candidate)):
                return zone
        if defined:
            self._comparisons += 1
            if self._comparisons > MAX_COMPARISONS:
                raise UnknownZone("The file defines too many zones of its own.")
            transitions = _transitions(defined, year)
            if transitions and (zone := zone_with(transitions, year, self.organizer_zone)):
                return zone
        offset = _fixed_offset(name)
        if offset is None:
            raise UnknownZone(
                f"{name[:60]!r} is no zone of the IANA database or of Windows, and no zone has the "
                "rules that the file gives for it."
            )
        return _zone_of_offset(offset, year, self.organizer_zone) or offset

    def _defined(self, name: str, calendar: Calendar) -> Timezone | None:
        calendars = (calendar, *self.calendars)
        return next((each.timezones[name] for each in calendars if name in each.timezones), None)


def known_zone(name: str) -> str | None:
    """The zone of the IANA database with this name, in any letter case."""
    if name in zone_names():
        return name
    return _names_by_case().get(name.strip().casefold())


@cache
def _names_by_case() -> dict[str, str]:
    return {name.casefold(): name for name in zone_names()}


def _endings(name: str) -> Iterable[str]:
    """The zone at the end of a unique name, such as /example.org/20260101_1/America/New_York."""
    parts = name.strip("/").split("/")
    return ("/".join(parts[-3:]), "/".join(parts[-2:])) if len(parts) > 2 else ()


# --- Rules of a VTIMEZONE -----------------------------------------------------------------------


def _transitions(defined: Timezone, year: int) -> Transitions | None:
    """The offset at the start of a year and the changes in the years that follow.

    None if the component cannot be read.
    """
    if not 1900 <= year <= 8900:
        return None
    begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + YEARS, 1, 1, tzinfo=UTC)
    onsets: list[tuple[datetime, timedelta, timedelta]] = []
    try:
        for observance in defined.observances[:100]:
            before, after = (
                _read_offset(observance.values[name]) for name in ("TZOFFSETFROM", "TZOFFSETTO")
            )
            onsets += [(at, before, after) for at in _onsets(observance, before, begin, end)]
    except (KeyError, ValueError, OverflowError):
        return None
    if not onsets:
        return None
    onsets.sort()
    first = bisect_right(onsets, begin, key=lambda onset: onset[0])
    offset = initial = onsets[first - 1][2] if first else onsets[0][1]
    changes = []
    for at, _, after in onsets[first:]:
        if after != offset:
            changes.append((at, after))
            offset = after
    return initial, tuple(changes)


def _onsets(
    observance: Observance, before: timedelta, begin: datetime, end: datetime
) -> list[datetime]:
    """The onsets of an observance before `end`. Of those before `begin`, the last ones suffice."""
    clocks = timezone(before)
    start = _read_local(observance.values["DTSTART"], clocks)
    onsets = [start, *(_read_local(text, clocks) for text in observance.dates[:1000])]
    if rule := observance.values.get("RRULE"):
        fixed: Any = clocks  # a schedule accepts any tzinfo
        parsed = parse_rule(rule)
        if parsed.frequency not in {"YEARLY", "MONTHLY"}:  # clocks change a few times a year
            raise ValueError(rule)
        schedule = Schedule.written(parsed, start, fixed)
        turns = schedule.turns(max(start, begin - timedelta(days=800)), end)
        onsets += [turn.at for turn in islice(turns, 1000)]
    return [at for at in onsets if at < end]


def _read_local(text: str, clocks: timezone) -> datetime:
    form = "%Y%m%dT%H%M%SZ" if text.endswith("Z") else "%Y%m%dT%H%M%S"
    moment = datetime.strptime(text.strip(), form)  # noqa: DTZ007  # the next line sets the zone
    return moment.replace(tzinfo=UTC if text.endswith("Z") else clocks).astimezone(UTC)


def _read_offset(text: str) -> timedelta:
    match = re.fullmatch("([+-]?)([0-9]{2})([0-9]{2})([0-9]{2})?", text.strip())
    if match is None:
        raise ValueError(text)
    sign = -1 if match[1] == "-" else 1
    hours, minutes, seconds = (int(part or 0) * sign for part in match.groups()[1:])
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if abs(offset) >= timedelta(days=1):
        raise ValueError(text)
    return offset


@lru_cache(maxsize=256)
def zone_with(transitions: Transitions, year: int, preferred: str) -> str | None:
    """The zone with these transitions: the preferred one, else the first by name."""
    for name in (preferred, *sorted(zone_names())):
        if _has_transitions(ZoneInfo(name), transitions, year):
            return name
    return None


def _has_transitions(zone: ZoneInfo, transitions: Transitions, year: int) -> bool:
    offset, changes = transitions
    moment, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + YEARS, 1, 1, tzinfo=UTC)
    if moment.astimezone(zone).utcoffset() != offset:
        return False
    before = offset
    for at, after in changes:
        if (at - _SECOND).astimezone(zone).utcoffset() != before:
            return False
        if at.astimezone(zone).utcoffset() != after:
            return False
        before = after
    times = [at for at, _ in changes]
    while moment < end:  # there is no other change, since none is undone within a week
        index = bisect_right(times, moment)
        if moment.astimezone(zone).utcoffset() != (changes[index - 1][1] if index else offset):
            return False
        moment += _WEEK
    return True


# --- Fixed offsets ------------------------------------------------------------------------------


def _fixed_offset(name: str) -> timedelta | None:
    """The offset of a name such as `UTC+01`, `GMT+0100`, `-05:00` or `UTC`."""
    if name.strip().upper() in {"UTC", "GMT", "Z"}:
        return timedelta(0)
    match = _OFFSET.fullmatch(name.strip())
    if match is None:
        return None
    sign = -1 if match[1] == "-" else 1
    hours, minutes, seconds = (int(part or 0) * sign for part in match.groups()[1:])
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return offset if abs(offset) < timedelta(days=1) else None


def _zone_of_offset(offset: timedelta, year: int, preferred: str) -> str | None:
    """The preferred zone if it has this offset, else an Etc zone, else the first by name."""
    constant: Transitions = (offset, ())
    if not 1900 <= year <= 8900:
        return None
    if _has_transitions(ZoneInfo(preferred), constant, year):
        return preferred
    hours, rest = divmod(offset, timedelta(hours=1))
    name = f"Etc/GMT{-hours:+d}" if hours else "UTC"
    if not rest and name in zone_names():
        return name
    return zone_with(constant, year, preferred)

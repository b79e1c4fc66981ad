"""The properties of a VEVENT (RFC 5545, section 3.6.1) as text, with instants in UTC.

A moment is ISO 8601 text: a day, a time with `Z`, or a floating time without a zone.
"""

import re
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.text import slugify
from icalendar import Event as CalendarEvent

from ..zones import at_wall_clock, wall_clock
from .ics_files import DATES, TEXTS, Entry
from .zones import UnknownZone, ZoneResolver

# A valid entry may have several of these.
_REPEATABLE = frozenset({"EXDATE", "RDATE", "CATEGORIES"})
_DAY = timedelta(days=1)
_DAY_LENGTH = len("2027-03-01")


class BadProperty(ValueError):
    """A property that makes its entry unreadable. The message is for the report."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


def is_day(moment: str) -> bool:
    return len(moment) == _DAY_LENGTH


def with_time(moment: str) -> str:
    """A day as its first midnight. Any other moment unchanged."""
    return f"{moment}T00:00:00" if is_day(moment) else moment


class Properties:
    """Reads the properties of one entry. Raises `BadProperty`.

    `zone` is the IANA name of the zone of DTSTART, once that is read. None for days and UTC times.
    """

    def __init__(self, entry: Entry, zones: ZoneResolver) -> None:
        self.zone: str | None = None
        self._calendar, self._zones = entry.calendar, zones
        durations = (_duration(line) for line in entry.lines if _name(line) == "DURATION")
        self._duration = next(durations, None)
        body = "\r\n".join(["BEGIN:VEVENT", *entry.lines, "END:VEVENT", ""])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # unknown zones, which `ZoneResolver` resolves
                self._event: Any = CalendarEvent.from_ical(body)
        except (ValueError, OverflowError, LookupError, TypeError, AttributeError) as error:
            raise BadProperty("VEVENT", "The entry cannot be read.") from error
        for name, reason in self._event.errors:
            raise BadProperty(name or "VEVENT", f"{reason[:200]}.")
        for name in (TEXTS | DATES) - _REPEATABLE:
            if isinstance(self._event.get(name), list):
                raise BadProperty(name, "The property is given twice.")

    @property
    def calendar_zone(self) -> str | None:
        """The zone of floating times: X-WR-TIMEZONE of the calendar. None if it is unknown."""
        name = self._calendar.zone_name
        start = getattr(self._event.get("DTSTART"), "dt", None)
        if not name or start is None:  # an entry without a start is refused
            return None
        try:
            zone = self._zones.resolve(name, self._calendar, start.year)
        except UnknownZone:
            return None
        return zone if isinstance(zone, str) else None

    def text(self, name: str) -> str:
        value = self._event.get(name)
        return "" if value is None else str(value).strip()

    def raw(self, name: str) -> str:
        value = self._event.get(name)
        return "" if value is None else value.to_ical().decode()

    def categories(self) -> tuple[str, ...]:
        """The categories that a slug can be made of."""
        values = self._event.get("CATEGORIES") or []
        names = [
            str(name).strip()
            for value in (values if isinstance(values, list) else [values])
            for name in value.cats
        ]
        return tuple(name for name in names if 1 <= len(slugify(name)) <= 50)

    def moment(self, name: str) -> str | None:
        value = self._event.get(name)
        if value is None:
            return None
        if "RANGE" in value.params:
            raise BadProperty(name, "A change of this and following occurrences is not read.")
        moment, zone = self._in_zone(name, value.dt, value.params.get("TZID"))
        if name == "DTSTART":
            self.zone = zone
        return moment

    def moments(self, name: str, *, as_days: bool) -> Iterator[str]:
        """The moments of a property. With `as_days`, the days as written, in whatever zone."""
        for value, moment in self._values(name):
            if as_days and isinstance(moment, date):
                yield moment.isoformat()[:_DAY_LENGTH]
            else:
                yield self._in_zone(name, moment, value.params.get("TZID"))[0]

    def added(self, *, as_days: bool) -> Iterator[tuple[str, str]]:
        """The begin and the end of each RDATE. The end is empty unless the RDATE is a period."""
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
                raise BadProperty("RDATE", "The end is beyond the calendar.") from error
            yield self._in_zone("RDATE", begin, zone)[0], self._in_zone("RDATE", end, zone)[0]

    def _values(self, name: str) -> Iterator[tuple[Any, Any]]:
        """Each moment of a property, behind the value that has its parameters."""
        values = self._event.get(name) or []
        for value in values if isinstance(values, list) else [values]:
            for moment in getattr(value, "dts", [value]):
                yield value, moment.dt

    def end(self, start: str) -> str:
        """The end by DTEND or DURATION. Empty without a length: the default length applies."""
        end = self.moment("DTEND")
        if end is None and self._duration is not None:
            return self._after(start, *self._duration)
        if is_day(start) and (end is None or end <= start):
            return self._after(start, _DAY, timedelta(0))
        return "" if end is None or with_time(end) == with_time(start) else end

    def _after(self, start: str, days: timedelta, hours: timedelta) -> str:
        """The start plus nominal days on the clock and exact hours (section 3.3.6)."""
        try:
            begin = datetime.fromisoformat(with_time(start))
            if self.zone is None:
                return _as_text(begin + days + hours)
            zone = ZoneInfo(self.zone)
            return _as_text(at_wall_clock(wall_clock(begin, zone) + days, zone) + hours)
        except OverflowError as error:
            raise BadProperty("DURATION", "The end is beyond the calendar.") from error

    def _in_zone(self, name: str, moment: object, zone_name: str | None) -> tuple[str, str | None]:
        """A moment as text, and the IANA name of its zone. None for days and UTC times."""
        if not isinstance(moment, datetime):
            if isinstance(moment, date):
                return moment.isoformat(), None
            raise BadProperty(name, "Only days and times are read here.")
        try:
            if moment.tzinfo is not None and zone_name is None:
                return _as_text(moment), None
            local = moment.replace(tzinfo=None)
            if zone_name is None:
                return _as_text(local), None
            if zone_name.strip().upper() in {"UTC", "GMT", "Z"}:
                return _as_text(local.replace(tzinfo=UTC)), None
            zone = self._zones.resolve(zone_name, self._calendar, local.year)
            if isinstance(zone, timedelta):
                return _as_text((local - zone).replace(tzinfo=UTC)), "UTC"
            return _as_text(at_wall_clock(local, ZoneInfo(zone))), zone
        except UnknownZone as error:
            raise BadProperty("TZID", str(error)) from error
        except OverflowError as error:
            raise BadProperty(name, "The time is beyond the calendar.") from error


def _name(line: str) -> str:
    return re.split("[:;]", line, maxsplit=1)[0].upper()


def _duration(line: str) -> tuple[timedelta, timedelta]:
    """The days and the hours of a DURATION, which icalendar adds up."""
    number = "(?:([0-9]{{1,9}}){})?".format
    form = f"([+-]?)P{number('W')}{number('D')}(?:T{number('H')}{number('M')}{number('S')})?"
    match = re.fullmatch(form, line.rpartition(":")[2].strip().upper())
    if match is None:
        raise BadProperty("DURATION", "Write a length such as P1D or PT1H30M.")
    sign = -1 if match[1] == "-" else 1
    weeks, days, hours, minutes, seconds = (int(part or 0) * sign for part in match.groups()[1:])
    return (
        timedelta(weeks=weeks, days=days),
        timedelta(hours=hours, minutes=minutes, seconds=seconds),
    )


def _as_text(moment: datetime) -> str:
    if moment.tzinfo is None:
        return moment.isoformat(timespec="seconds")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="seconds") + "Z"

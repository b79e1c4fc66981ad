"""VTIMEZONE (RFC 5545, section 3.6.5) for the zones of the IANA database.

The onset of an observance is on the clock before the change. If the clocks change by the same rule
every year, the observance has that RRULE, since some clients (Outlook) read no list of dates.
Otherwise, as with changes by Ramadan or by law, each onset is an RDATE property.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from .lines import folded, local

# Years in which a time is written in its zone; any other is written in UTC.
FIRST_YEAR, LAST_YEAR = 1970, 2199

# Within this number of years, "the last Sunday" and "the fourth Sunday" differ.
_YEARS_OF_A_RULE = 12
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_STEP = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class _Change:
    """A change of the clocks from one UTC offset to another."""

    before: timedelta
    after: timedelta
    name: str
    is_daylight: bool


@lru_cache(maxsize=256)
def vtimezone(zone_name: str, first_year: int, last_year: int) -> bytes:
    """The component, correct for every moment of these years on the clock of the zone."""
    last_year = max(last_year, first_year + _YEARS_OF_A_RULE)
    zone = ZoneInfo(zone_name)
    # Half a year earlier, so that the local new year of every zone is included.
    begin = datetime(first_year - 1, 7, 1, tzinfo=UTC)
    at_first = begin.astimezone(zone)
    offset = at_first.utcoffset() or timedelta()
    onsets: defaultdict[_Change, list[datetime]] = defaultdict(list)
    initial = _Change(offset, offset, str(at_first.tzname()), bool(at_first.dst()))
    onsets[initial].append(at_first.replace(tzinfo=None))
    for year in range(first_year - 1, last_year + 1):
        for moment, change in _changes(zone_name, year):
            if moment > begin:
                onsets[change].append((moment + change.before).replace(tzinfo=None))
    new_year = datetime(first_year, 1, 1) - _STEP  # noqa: DTZ001  # by any clock on Earth
    if any(moments[0] < new_year for change, moments in onsets.items() if change != initial):
        del onsets[initial]  # it ends before the first of these years
    lines = ["BEGIN:VTIMEZONE", f"TZID:{zone_name}"]
    for change, moments in onsets.items():
        lines += _observance(change, moments, last_year)
    lines.append("END:VTIMEZONE")
    return b"".join(map(folded, lines))


@lru_cache(maxsize=4096)
def _changes(zone_name: str, year: int) -> list[tuple[datetime, _Change]]:
    """The changes of the clocks in a year of UTC, to the minute."""
    zone = ZoneInfo(zone_name)
    changes = []
    left = datetime(year, 1, 1, tzinfo=UTC)
    end = datetime(year + 1, 1, 1, tzinfo=UTC)
    before = left.astimezone(zone).utcoffset()
    while left < end:
        right = left + _STEP
        after = right.astimezone(zone).utcoffset()
        if after != before:
            low, high = left, right
            while high - low > _MINUTE:
                middle = low + (high - low) // (2 * _MINUTE) * _MINUTE
                if middle.astimezone(zone).utcoffset() == before:
                    low = middle
                else:
                    high = middle
            assert before is not None and after is not None  # noqa: S101,PT018  # zones have one
            then = high.astimezone(zone)
            changes.append((high, _Change(before, after, str(then.tzname()), bool(then.dst()))))
        left, before = right, after
    return changes


def _observance(change: _Change, onsets: list[datetime], last_year: int) -> Iterator[str]:
    kind = "DAYLIGHT" if change.is_daylight else "STANDARD"
    yield f"BEGIN:{kind}"
    yield f"DTSTART:{local(onsets[0])}"
    rule = _yearly_rule(onsets, last_year)
    if rule:
        yield f"RRULE:{rule}"
    elif len(onsets) > 1:
        # ical.js (Thunderbird, Nextcloud) reads only the first value of an RDATE, and ignores
        # DTSTART beside an RDATE.
        yield from (f"RDATE:{local(onset)}" for onset in onsets)
    yield f"TZNAME:{change.name}"
    yield f"TZOFFSETFROM:{_offset(change.before)}"
    yield f"TZOFFSETTO:{_offset(change.after)}"
    yield f"END:{kind}"


def _yearly_rule(onsets: list[datetime], last_year: int) -> str | None:
    """The RRULE of these onsets, if they have one and occur every year up to the last one."""
    years = list(range(onsets[0].year, last_year + 1))
    if len(years) < _YEARS_OF_A_RULE or [onset.year for onset in onsets] != years:
        return None
    first = onsets[0]
    if not _is_one((onset.month, onset.weekday(), onset.time()) for onset in onsets):
        return None
    if all(onset.day + 7 > monthrange(onset.year, onset.month)[1] for onset in onsets):
        week = -1
    elif _is_one((onset.day - 1) // 7 for onset in onsets):
        week = (first.day - 1) // 7 + 1
    else:
        return None
    return f"FREQ=YEARLY;BYDAY={week}{_WEEKDAYS[first.weekday()]};BYMONTH={first.month}"


def _is_one(values: Iterable[object]) -> bool:
    return len(set(values)) == 1


def _offset(offset: timedelta) -> str:
    """A UTC offset (section 3.3.14) in hours and minutes, and in seconds if there are any."""
    seconds = int(offset.total_seconds())
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}{minutes:02}{f'{rest:02}' if rest else ''}"

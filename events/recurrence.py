"""Recurrence rules (RFC 5545, sections 3.3.10 and 3.8.5) on wall-clock time. Pure.

Rules are expanded here, step by counted step, since whoever sends one must not keep a server busy:
an iterator that looks for 30 February looks until the year 9999.
"""

import re
from calendar import isleap, monthrange
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from .zones import at_wall_clock, wall_clock

MAX_OCCURRENCES = 366
MAX_TEXT = 2000
LAST_YEAR = 9000

# How many days or times one expansion looks at: half a century of days, some milliseconds.
_MAX_STEPS = 20_000

_DAY = timedelta(days=1)
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")
_STEPS = {
    "WEEKLY": timedelta(weeks=1),
    "DAILY": _DAY,
    "HOURLY": timedelta(hours=1),
    "MINUTELY": timedelta(minutes=1),
}
_LENGTHS = {"YEARLY": 365 * _DAY, "MONTHLY": 30 * _DAY, **_STEPS}
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

# Lists of numbers: the range of their absolute values, and whether they may be negative.
_LISTS = {
    "BYMONTH": (1, 12, False),
    "BYWEEKNO": (1, 53, True),
    "BYYEARDAY": (1, 366, True),
    "BYMONTHDAY": (1, 31, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSECOND": (0, 59, False),
    "BYSETPOS": (1, 366, True),
}


class InvalidRecurrence(ValueError):
    """The rule cannot be read, runs away, or gives nothing. The message says what to do."""


@dataclass(frozen=True)
class Rule:
    """One RRULE. Empty sets leave out nothing; `text` is what it was read from."""

    text: str
    frequency: str
    interval: int
    count: int | None
    until: date | datetime | None  # naive: wall-clock time
    week_start: int
    months: frozenset[int]
    week_numbers: frozenset[int]
    year_days: frozenset[int]
    month_days: frozenset[int]
    weekdays: frozenset[tuple[int, int]]  # which one in the month or year (0: all), weekday
    hours: frozenset[int]
    minutes: frozenset[int]
    seconds: frozenset[int]
    positions: frozenset[int]

    @property
    def is_endless(self) -> bool:
        return self.count is None and self.until is None

    @property
    def period(self) -> timedelta:
        """From one turn to the next, about."""
        return _LENGTHS[self.frequency] * self.interval

    @property
    def names_days(self) -> bool:
        """Whether the rule, and not its start, says on which days it falls."""
        return bool(self.weekdays or self.month_days or self.year_days or self.week_numbers)

    def with_part(self, name: str, value: str) -> "Rule":
        """The rule with another value of a part that it has."""
        return parse_rule(re.sub(f"(?<={name}=)[^;]*", value, self.text))

    def from_turn(self, passed: int) -> "Rule":
        """What is left of a rule after its first `passed` occurrences, the last one at least."""
        left = None if self.count is None else max(1, self.count - passed)
        return self if left is None else self.with_part("COUNT", str(left))

    def moved_by(self, shift: timedelta, zone: tzinfo, *, days: int) -> "Rule":
        """The rule of occurrences that all move by `shift`, `days` of it being whole days.

        The end moves along, and so do the days of a weekly rule. Raises `InvalidRecurrence` for
        rules that would have to be thought up anew.
        """
        moved = self
        if days and self.names_days:
            if self.frequency != "WEEKLY":
                raise InvalidRecurrence(
                    "The rule names its days, and the new start is on another one. "
                    "Send the new recurrence as well."
                )
            weekdays = sorted((weekday + days) % 7 for _, weekday in self.weekdays)
            moved = moved.with_part("BYDAY", ",".join(_WEEKDAYS[weekday] for weekday in weekdays))
        if isinstance(self.until, datetime):
            is_utc = self.until.tzinfo is not None
            local = wall_clock(self.until, zone) if is_utc else self.until
            until = at_wall_clock(local + shift, zone)
            moved = moved.with_part("UNTIL", until.strftime("%Y%m%dT%H%M%SZ"))
        elif self.until is not None:
            moved = moved.with_part("UNTIL", (self.until + days * _DAY).strftime("%Y%m%d"))
        return moved


@dataclass(frozen=True)
class Recurrence:
    """A rule, and what is taken out of it: wall-clock times or whole days in ISO 8601."""

    rule: Rule
    excluded: frozenset[str] = frozenset()

    def excludes(self, moment: datetime) -> bool:
        if not self.excluded:
            return False
        text = moment.isoformat(timespec="seconds")
        return text in self.excluded or text[:10] in self.excluded


# --- Reading ------------------------------------------------------------------------------------


def parse_recurrence(text: str, zone: tzinfo) -> Recurrence:
    """A rule such as `FREQ=WEEKLY;BYDAY=MO`, or lines of iCalendar: RRULE and any EXDATE.

    Times with an offset are taken to wall-clock time in `zone`. Raises `InvalidRecurrence`.
    """
    if len(text) > MAX_TEXT:
        raise InvalidRecurrence(f"Use at most {MAX_TEXT} characters.")
    rule: Rule | None = None
    excluded: set[str] = set()
    for line in text.strip().splitlines():
        name, has_name, value = line.strip().partition(":")
        if not has_name:
            name, value = "RRULE", name
        name = name.upper().partition(";")[0]
        if name == "EXDATE":
            excluded.update(parse_moment(part, zone) for part in value.split(","))
        elif name != "RRULE":
            raise InvalidRecurrence(f"Send RRULE and EXDATE only; {name[:20]} is not read here.")
        elif rule is not None:
            raise InvalidRecurrence("Send one RRULE.")
        else:
            rule = parse_rule(value)
    if rule is None:
        raise InvalidRecurrence("Send a rule such as FREQ=WEEKLY;BYDAY=MO;COUNT=10.")
    return Recurrence(rule, frozenset(excluded))


def parse_moment(text: str, zone: tzinfo) -> str:
    """A day or a time, as iCalendar or ISO 8601 writes it: its wall-clock form in `zone`.

    >>> parse_moment("20270322T170000Z", ZoneInfo("Europe/Berlin"))
    '2027-03-22T18:00:00'
    """
    found = _read_moment(text.strip())
    if not isinstance(found, datetime):
        return found.isoformat()
    if found.tzinfo is not None:
        try:
            found = wall_clock(found, zone)
        except OverflowError as error:
            raise InvalidRecurrence(f"{text[:40]!r} is beyond the calendar.") from error
    return found.isoformat(timespec="seconds")


def moved_moment(text: str, shift: timedelta, *, days: int) -> str:
    """What `parse_moment` returned, later by `shift`, of which `days` count for whole days."""
    found = _read_moment(text)
    if isinstance(found, datetime):
        return (found + shift).isoformat(timespec="seconds")
    return (found + days * _DAY).isoformat()


def _read_moment(text: str) -> date | datetime:
    basic = re.fullmatch(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})", text)
    try:
        if basic:
            return date(*(int(part) for part in basic.groups()))
        if re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[Tt ][-0-9:+.Zz]{4,30}", text):
            return datetime.fromisoformat(text.upper())
    except ValueError:
        pass
    raise InvalidRecurrence(f"{text[:40]!r} is no date such as 20270322 or 20270322T170000Z.")


def parse_rule(text: str) -> Rule:
    """Raises `InvalidRecurrence`, also for what RFC 5545 forbids to combine."""
    text = text.strip().rstrip(";").upper()
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name in parts:
            raise InvalidRecurrence(f"{name[:20]} is given twice.")
        parts[name] = value
    known = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_LISTS}
    if unknown := parts.keys() - known:
        name = min(unknown)[:20]
        raise InvalidRecurrence(f"{name!r} is no part of a rule. Known are: {', '.join(known)}.")
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise InvalidRecurrence(f"FREQ must be one of {', '.join(_FREQUENCIES)}.")
    if "COUNT" in parts and "UNTIL" in parts:
        raise InvalidRecurrence("Send COUNT or UNTIL, not both.")
    lists = {name: _numbers(name, parts[name]) if name in parts else frozenset() for name in _LISTS}
    week_start = parts.get("WKST", "MO")
    if week_start not in _WEEKDAYS:
        raise InvalidRecurrence(f"WKST must be one of {', '.join(_WEEKDAYS)}.")
    rule = Rule(
        text=text,
        frequency=frequency,
        interval=_number("INTERVAL", parts.get("INTERVAL", "1"), 10_000),
        count=_number("COUNT", parts["COUNT"], MAX_OCCURRENCES) if "COUNT" in parts else None,
        until=_read_moment(parts["UNTIL"]) if "UNTIL" in parts else None,
        week_start=_WEEKDAYS.index(week_start),
        weekdays=_weekdays(parts["BYDAY"]) if "BYDAY" in parts else frozenset(),
        months=lists["BYMONTH"],
        week_numbers=lists["BYWEEKNO"],
        year_days=lists["BYYEARDAY"],
        month_days=lists["BYMONTHDAY"],
        hours=lists["BYHOUR"],
        minutes=lists["BYMINUTE"],
        seconds=lists["BYSECOND"],
        positions=lists["BYSETPOS"],
    )
    _check_combination(rule)
    return rule


def _number(name: str, text: str, most: int) -> int:
    if not re.fullmatch("[0-9]{1,20}", text) or not 1 <= int(text) <= most:
        raise InvalidRecurrence(f"{name} must be a whole number from 1 to {most}.")
    return int(text)


def _numbers(name: str, text: str) -> frozenset[int]:
    least, most, may_be_negative = _LISTS[name]
    numbers = set()
    for part in text.split(","):
        found = re.fullmatch("([+-]?)([0-9]{1,3})", part)
        is_negative = found is not None and found[1] == "-"
        if not found or not least <= int(found[2]) <= most or (is_negative and not may_be_negative):
            negative = f" or -{most} to -{least}" if may_be_negative else ""
            raise InvalidRecurrence(f"{name} takes numbers from {least} to {most}{negative}.")
        numbers.add(int(part))
    return frozenset(numbers)


def _weekdays(text: str) -> frozenset[tuple[int, int]]:
    days = set()
    for part in text.split(","):
        found = re.fullmatch("([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)", part)
        if not found or (found[1] is not None and not 1 <= abs(int(found[1])) <= 53):
            raise InvalidRecurrence("BYDAY takes weekdays such as MO,WE or 2TU,-1FR.")
        days.add((int(found[1] or 0), _WEEKDAYS.index(found[2])))
    return frozenset(days)


def _check_combination(rule: Rule) -> None:
    """What RFC 5545, section 3.3.10, rules out, and what can never match."""
    is_sub_daily = rule.frequency in {"HOURLY", "MINUTELY"}
    is_counted = any(which for which, _ in rule.weekdays)
    wrong = {
        "BYWEEKNO goes with FREQ=YEARLY.": rule.week_numbers and rule.frequency != "YEARLY",
        f"BYYEARDAY does not go with FREQ={rule.frequency}.": rule.year_days
        and rule.frequency in {"DAILY", "WEEKLY", "MONTHLY"},
        "BYMONTHDAY does not go with FREQ=WEEKLY.": rule.month_days and rule.frequency == "WEEKLY",
        "BYDAY with a number, such as 2TU, goes with FREQ=MONTHLY, or YEARLY without BYWEEKNO.": (
            is_counted and (rule.frequency not in {"MONTHLY", "YEARLY"} or rule.week_numbers)
        ),
        "BYSETPOS goes with another BY part, out of whose days it picks.": rule.positions
        and not (rule.names_days or rule.months or rule.hours or rule.minutes or rule.seconds),
        f"FREQ={rule.frequency} runs away. Give it COUNT or UNTIL.": is_sub_daily
        and rule.is_endless
        and not (rule.hours or rule.names_days or rule.months),
        "No day is ever matched by this rule.": _never_matches(rule),
    }
    for reason, is_wrong in wrong.items():
        if is_wrong:
            raise InvalidRecurrence(reason)


def _never_matches(rule: Rule) -> bool:
    in_month = rule.frequency == "MONTHLY" or (rule.frequency == "YEARLY" and rule.months)
    if rule.weekdays and in_month and all(abs(which) > 5 for which, _ in rule.weekdays):
        return True
    months = rule.months or range(1, 13)
    longest = max(_LONGEST[month - 1] for month in months)
    return bool(rule.month_days) and all(abs(day) > longest for day in rule.month_days)


# --- Expanding ----------------------------------------------------------------------------------


def expand(
    recurrence: Recurrence,
    start: datetime,
    zone: tzinfo,
    *,
    after: datetime | None = None,
    to: datetime | None = None,
) -> list[datetime]:
    """The instants of a recurrence in UTC, in order: those later than `after`, up to `to`.

    The clocks in `zone` show the same time at each. A time that they skip moves forward by the
    length of the gap, one that occurs twice is the first of the two (section 3.3.5). What the rule
    does not match is no occurrence, `start` itself included, which section 3.8.5.3 leaves open.
    Raises `InvalidRecurrence` beyond `MAX_OCCURRENCES`.
    """
    rule = recurrence.rule
    first = wall_clock(start, zone)
    # A day more on either side, since a gap moves times.
    begin = None if after is None else wall_clock(after, zone) - _DAY
    end = None if to is None else wall_clock(to, zone) + _DAY
    found: set[datetime] = set()
    for moment in _moments(rule, first, begin):
        if (end is not None and moment > end) or _is_over(rule, moment, zone):
            break
        at = start.astimezone(UTC) if moment == first else at_wall_clock(moment, zone)
        is_wanted = (after is None or at > after) and (to is None or at <= to)
        if is_wanted and not recurrence.excludes(moment):
            found.add(at)
        if len(found) > MAX_OCCURRENCES:
            raise InvalidRecurrence(
                f"The rule gives more than {MAX_OCCURRENCES} occurrences"
                + (
                    " a year."
                    if rule.is_endless
                    else ". Give it a lower COUNT or an earlier UNTIL."
                )
            )
    return sorted(found)


def turns_before(rule: Rule, start: datetime, zone: tzinfo, moment: datetime) -> int:
    """How many times a rule has matched before an instant; what is excluded counts."""
    first = wall_clock(start, zone)
    turns = 0
    for found in _moments(rule, first, None):
        if at_wall_clock(found, zone) >= moment:
            break
        turns += 1
    return turns


def matched(
    old: Iterable[datetime],
    new: Iterable[datetime],
    *,
    zones: tuple[tzinfo, tzinfo],
    shift: timedelta | None,
    within: timedelta,
) -> dict[datetime, datetime]:
    """Which of the new instants each of the old ones becomes, each taken once.

    When all moved by `shift` on the clock, from the first of the `zones` to the second, that one;
    else the same instant, or one on the same day, or the nearest within half of `within`.
    """
    left = dict.fromkeys(new)
    pairs: dict[datetime, datetime] = {}

    def pair(moment: datetime, found: datetime | None) -> None:
        if moment not in pairs and found in left:
            pairs[moment] = found
            del left[found]

    old = sorted(old)
    if shift is not None:
        for moment in old:
            pair(moment, at_wall_clock(wall_clock(moment, zones[0]) + shift, zones[1]))
        return pairs
    for moment in old:
        pair(moment, moment)
    for moment in old:
        day = wall_clock(moment, zones[0]).date()
        pair(moment, next((at for at in left if wall_clock(at, zones[1]).date() == day), None))
    for moment in old:
        nearest = min(left, key=lambda at: abs(at - moment), default=None)
        if nearest is not None and abs(nearest - moment) <= within / 2:
            pair(moment, nearest)
    return pairs


def _is_over(rule: Rule, moment: datetime, zone: tzinfo) -> bool:
    until = rule.until
    if until is None:
        return False
    if not isinstance(until, datetime):
        return moment.date() > until
    if until.tzinfo is None:
        return moment > until
    return at_wall_clock(moment, zone) > until


def _moments(rule: Rule, start: datetime, after: datetime | None) -> Iterator[datetime]:
    """Wall-clock times from `start` on, or from shortly before `after`; with COUNT all of them."""
    rule = _with_defaults(rule, start)
    skip_to = start if after is None or rule.count is not None else max(start, after)
    looked_at = found = 0
    for days_seen, candidates in _PERIODS[rule.frequency](rule, start, skip_to):
        looked_at += days_seen + len(candidates)
        if looked_at > _MAX_STEPS:
            raise InvalidRecurrence("The rule matches too seldom, or too far ahead.")
        for moment in _at_positions(candidates, rule.positions):
            if moment >= start:
                yield moment
                found += 1
                if found == rule.count:
                    return
    if rule.count is not None:
        raise InvalidRecurrence(f"The rule reaches beyond the year {LAST_YEAR}.")


def _at_positions(candidates: list[datetime], positions: frozenset[int]) -> list[datetime]:
    """BYSETPOS: the first is 1, the last -1; none given is all."""
    if not positions:
        return candidates
    places = {place - 1 if place > 0 else len(candidates) + place for place in positions}
    return [candidates[place] for place in sorted(places) if 0 <= place < len(candidates)]


def _with_defaults(rule: Rule, start: datetime) -> Rule:
    """What the rule does not say, its start says."""
    said: dict[str, Any] = {}
    if not (rule.weekdays or rule.month_days or rule.year_days):
        if rule.frequency == "WEEKLY" or rule.week_numbers:
            said["weekdays"] = frozenset({(0, start.weekday())})
        elif rule.frequency in {"MONTHLY", "YEARLY"}:
            said["month_days"] = frozenset({start.day})
            if rule.frequency == "YEARLY" and not rule.months:
                said["months"] = frozenset({start.month})
    if rule.frequency not in {"HOURLY", "MINUTELY"}:
        said["hours"] = rule.hours or frozenset({start.hour})
    if rule.frequency != "MINUTELY":
        said["minutes"] = rule.minutes or frozenset({start.minute})
    said["seconds"] = rule.seconds or frozenset({start.second})
    return replace(rule, **said)


# --- Periods: how many days were looked at, and the times that match, in order ------------------

Periods = Iterator[tuple[int, list[datetime]]]


def _years(rule: Rule, start: datetime, skip_to: datetime) -> Periods:
    first = start.year + (skip_to.year - start.year) // rule.interval * rule.interval
    months = sorted(rule.months or range(1, 13))
    for year in range(first, LAST_YEAR + 1, rule.interval):
        days = [day for month in months for day in _days_of_month(year, month)]
        yield len(days), _times_on(days, rule, start, in_month=bool(rule.months))


def _months(rule: Rule, start: datetime, skip_to: datetime) -> Periods:
    begin = start.year * 12 + start.month - 1
    passed = (skip_to.year * 12 + skip_to.month - 1 - begin) // rule.interval * rule.interval
    for index in range(begin + passed, LAST_YEAR * 12 + 12, rule.interval):
        year, month = index // 12, index % 12 + 1
        days = _days_of_month(year, month)
        yield len(days), _times_on(days, rule, start, in_month=True)


def _weeks(rule: Rule, start: datetime, skip_to: datetime) -> Periods:
    begin = start - timedelta(days=(start.weekday() - rule.week_start) % 7)
    for week in _steps(begin, timedelta(weeks=rule.interval), skip_to):
        days = [week.date() + number * _DAY for number in range(7)]
        yield len(days), _times_on(days, rule, start, in_month=False)


def _days(rule: Rule, start: datetime, skip_to: datetime) -> Periods:
    for day in _steps(start, timedelta(days=rule.interval), skip_to):
        yield 1, _times_on([day.date()], rule, start, in_month=False)


def _hours(rule: Rule, start: datetime, skip_to: datetime) -> Periods:
    begin = start.replace(minute=0, second=0)
    for hour in _steps(begin, timedelta(hours=rule.interval), skip_to):
        is_in = not rule.hours or hour.hour in rule.hours
        minutes = sorted(rule.minutes) if is_in and _fits(hour, rule, in_month=False) else []
        yield (
            1,
            [hour.replace(minute=m, second=s) for m in minutes for s in sorted(rule.seconds)],
        )


def _minutes(rule: Rule, start: datetime, skip_to: datetime) -> Periods:
    begin = start.replace(second=0)
    for minute in _steps(begin, timedelta(minutes=rule.interval), skip_to):
        is_in = (not rule.hours or minute.hour in rule.hours) and (
            not rule.minutes or minute.minute in rule.minutes
        )
        seconds = sorted(rule.seconds) if is_in and _fits(minute, rule, in_month=False) else []
        yield 1, [minute.replace(second=second) for second in seconds]


_PERIODS: dict[str, Callable[[Rule, datetime, datetime], Periods]] = {
    "YEARLY": _years,
    "MONTHLY": _months,
    "WEEKLY": _weeks,
    "DAILY": _days,
    "HOURLY": _hours,
    "MINUTELY": _minutes,
}


def _steps(begin: datetime, step: timedelta, skip_to: datetime) -> Iterator[datetime]:
    """`begin`, `begin + step` …, without most of those before `skip_to`."""
    moment = begin + max(0, (skip_to - begin) // step) * step
    while moment.year <= LAST_YEAR:
        yield moment
        moment += step


def _days_of_month(year: int, month: int) -> list[date]:
    return [date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1)]


def _times_on(
    days: Iterable[date], rule: Rule, start: datetime, *, in_month: bool
) -> list[datetime]:
    """The rule's times on those of the days that it matches.

    `in_month`: whether the second Tuesday is that of the month, or of the year.
    """
    matching = [day for day in days if _fits(day, rule, in_month=in_month)]
    clocks = [
        time(hour, minute, second, start.microsecond)
        for hour in sorted(rule.hours)
        for minute in sorted(rule.minutes)
        for second in sorted(rule.seconds)
    ]
    if len(matching) * len(clocks) > _MAX_STEPS:
        raise InvalidRecurrence("The rule matches at too many times.")
    return [datetime.combine(day, clock) for day in matching for clock in clocks]


def _fits(day: date, rule: Rule, *, in_month: bool) -> bool:
    if rule.months and day.month not in rule.months:
        return False
    month_length = monthrange(day.year, day.month)[1]
    if rule.month_days and not {day.day, day.day - month_length - 1} & rule.month_days:
        return False
    year_day, year_length = day.timetuple().tm_yday, 366 if isleap(day.year) else 365
    if rule.year_days and not {year_day, year_day - year_length - 1} & rule.year_days:
        return False
    if rule.week_numbers and not _week_numbers(day, rule.week_start) & rule.week_numbers:
        return False
    if not rule.weekdays:
        return True
    place, length = (day.day, month_length) if in_month else (year_day, year_length)
    which = {0, (place - 1) // 7 + 1, -((length - place) // 7 + 1)}
    return any(ordinal in which and day.weekday() == weekday for ordinal, weekday in rule.weekdays)


def _week_numbers(moment: date, week_start: int) -> set[int]:
    """The number of a day's week from the first and from the last of its year (ISO 8601)."""
    year, day = moment.year, date(moment.year, moment.month, moment.day)
    if day >= _first_week(year + 1, week_start):
        year += 1
    elif day < _first_week(year, week_start):
        year -= 1
    first, following = _first_week(year, week_start), _first_week(year + 1, week_start)
    return {(day - first).days // 7 + 1, (day - following).days // 7}


def _first_week(year: int, week_start: int) -> date:
    """The day on which the week begins that has 4 January in it."""
    fourth = date(year, 1, 4)
    return fourth - timedelta(days=(fourth.weekday() - week_start) % 7)

"""Recurrence rules: RRULE (RFC 5545, section 3.3.10) as values."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from .errors import InvalidRecurrence
from .moments import parse_moment

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

# More seconds than a hundred years. A longer interval has only one occurrence.
_MAX_NUMBER = 10**10

# Lists of numbers: the range of their absolute values, and whether they may be negative.
_LISTS = {
    "BYMONTH": (1, 12, False),
    "BYWEEKNO": (1, 53, True),
    "BYYEARDAY": (1, 366, True),
    "BYMONTHDAY": (1, 31, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSECOND": (0, 60, False),
    "BYSETPOS": (1, 366, True),
}
_LENGTHS = {
    "YEARLY": timedelta(days=365),
    "MONTHLY": timedelta(days=30),
    "WEEKLY": timedelta(weeks=1),
    "DAILY": timedelta(days=1),
    "HOURLY": timedelta(hours=1),
    "MINUTELY": timedelta(minutes=1),
    "SECONDLY": timedelta(seconds=1),
}


@dataclass(frozen=True)
class Rule:
    """An RRULE, parsed from `text`. An empty set is no limit.

    `until` is a day, an instant (aware), or a wall-clock time (naive) in the zone of the rule.
    """

    text: str
    frequency: str
    interval: int
    count: int | None
    until: date | datetime | None
    week_start: int
    months: frozenset[int]
    week_numbers: frozenset[int]
    year_days: frozenset[int]
    month_days: frozenset[int]
    weekdays: frozenset[tuple[int, int]]  # ordinal in the month or year (0: all), weekday
    hours: frozenset[int]
    minutes: frozenset[int]
    seconds: frozenset[int]
    positions: frozenset[int]

    @property
    def is_endless(self) -> bool:
        return self.count is None and self.until is None

    @property
    def is_sub_daily(self) -> bool:
        return self.frequency in {"HOURLY", "MINUTELY", "SECONDLY"}

    @property
    def names_days(self) -> bool:
        """Whether the rule has parts that select days. Otherwise its start does."""
        return bool(self.weekdays or self.month_days or self.year_days or self.week_numbers)

    @property
    def period(self) -> timedelta:
        """The approximate length of one interval, at most thirty thousand years."""
        longest = timedelta(days=30_000 * 365)
        length = _LENGTHS[self.frequency]
        return min(self.interval, longest // length) * length

    def with_part(self, name: str, value: str) -> "Rule":
        """The rule with another value of a part that it has."""
        parts = [part.partition("=")[::2] for part in self.text.split(";")]
        return parse_rule(";".join(f"{key}={value if key == name else old}" for key, old in parts))


def parse_rule(text: str) -> Rule:
    """Raises `InvalidRecurrence`, also for combinations that RFC 5545 forbids."""
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
        raise InvalidRecurrence(
            f"{name!r} is no part of a rule. Known are: {', '.join(sorted(known))}. "
            "A rule is, for example, FREQ=WEEKLY;BYDAY=MO;COUNT=10."
        )
    frequency = parts.get("FREQ", "")
    if frequency not in FREQUENCIES:
        raise InvalidRecurrence(f"FREQ must be one of {', '.join(FREQUENCIES)}.")
    if "COUNT" in parts and "UNTIL" in parts:
        raise InvalidRecurrence("Send COUNT or UNTIL, not both.")
    lists = {name: _numbers(name, parts[name]) if name in parts else frozenset() for name in _LISTS}
    week_start = parts.get("WKST", "MO")
    if week_start not in WEEKDAYS:
        raise InvalidRecurrence(f"WKST must be one of {', '.join(WEEKDAYS)}.")
    rule = Rule(
        text=text,
        frequency=frequency,
        interval=_number("INTERVAL", parts.get("INTERVAL", "1")),
        count=_number("COUNT", parts["COUNT"]) if "COUNT" in parts else None,
        until=parse_moment(parts["UNTIL"]) if "UNTIL" in parts else None,
        week_start=WEEKDAYS.index(week_start),
        weekdays=_weekdays(parts["BYDAY"]) if "BYDAY" in parts else frozenset(),
        months=lists["BYMONTH"],
        week_numbers=lists["BYWEEKNO"],
        year_days=lists["BYYEARDAY"],
        month_days=lists["BYMONTHDAY"],
        hours=lists["BYHOUR"],
        minutes=lists["BYMINUTE"],
        # Without leap seconds the second 60 is the second 59 (section 3.3.12).
        seconds=frozenset(min(second, 59) for second in lists["BYSECOND"]),
        positions=lists["BYSETPOS"],
    )
    _check_combination(rule)
    return rule


def _number(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,20}", text) or not 1 <= int(text) <= _MAX_NUMBER:
        raise InvalidRecurrence(f"{name} must be a whole number from 1 to {_MAX_NUMBER}.")
    return int(text)


def _numbers(name: str, text: str) -> frozenset[int]:
    low, high, may_be_negative = _LISTS[name]
    numbers = set()
    for part in text.split(","):
        match = re.fullmatch("([+-]?)([0-9]{1,3})", part)
        is_negative = match is not None and match[1] == "-"
        if not match or not low <= int(match[2]) <= high or (is_negative and not may_be_negative):
            negative = f" or -{high} to -{low}" if may_be_negative else ""
            raise InvalidRecurrence(f"{name} takes numbers from {low} to {high}{negative}.")
        numbers.add(int(part))
    return frozenset(numbers)


def _weekdays(text: str) -> frozenset[tuple[int, int]]:
    days = set()
    for part in text.split(","):
        match = re.fullmatch("([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)", part)
        if not match or (match[1] is not None and not 1 <= abs(int(match[1])) <= 53):
            raise InvalidRecurrence("BYDAY takes weekdays such as MO,WE or 2TU,-1FR.")
        days.add((int(match[1] or 0), WEEKDAYS.index(match[2])))
    return frozenset(days)


def _check_combination(rule: Rule) -> None:
    """Raises `InvalidRecurrence` for combinations that RFC 5545, section 3.3.10, forbids."""
    is_counted = any(ordinal for ordinal, _ in rule.weekdays)
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
    }
    for reason, is_wrong in wrong.items():
        if is_wrong:
            raise InvalidRecurrence(reason)

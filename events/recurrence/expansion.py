"""Expands a rule into wall-clock times. Pure.

No library is used, since a rule of a client must not cost much time. Days are looked up by year,
and years with the same calendar share one table, so a century without a match costs milliseconds.
Times of a day are computed from the phase of the rule, without stepping through the others.
"""

from calendar import isleap, monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import groupby, product
from math import gcd
from typing import Any

from .errors import InvalidRecurrence
from .rule import Rule

MAX_YEARS = 100
_LAST_YEAR = 9990  # the calendar of datetime ends nine years later

# The times of day that one expansion compares at most, in a tenth of a second. Only rules by the
# second that match a few days of a century come close.
_MAX_STEPS = 1_000_000
_DAY_SECONDS = 86_400
_UNIT_SECONDS = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}


@dataclass(frozen=True)
class Expansion:
    """A rule from a wall-clock start on, without the limits of COUNT and UNTIL."""

    rule: Rule
    start: datetime

    def times(self, skip_to: datetime | None = None) -> Iterator[datetime]:
        """Naive times in order, from the later one of the start and `skip_to`, for `MAX_YEARS`."""
        begin = self.start if skip_to is None else max(self.start, skip_to)
        year = min(begin.year + MAX_YEARS, _LAST_YEAR)
        end = begin.replace(year=year, day=min(begin.day, monthrange(year, begin.month)[1]))
        for moment in self._times_of_periods(begin, end):
            if moment > end:
                return
            if moment >= begin:
                yield moment

    def _times_of_periods(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        # The week that BYSETPOS counts in may begin in the previous year.
        ordinals = self._ordinals(begin.date() - timedelta(days=7), end.year)
        if self._units is not None:
            yield from self._times_in_units(begin, ordinals, self._units)
            return
        first_day = begin.toordinal()
        for _, group in groupby(ordinals, self._period):
            days = list(group)
            if days[-1] < first_day:
                continue
            for index in self._selected(len(days) * len(self._clocks)):
                day, clock = divmod(index, len(self._clocks))
                if days[day] >= first_day:
                    yield datetime.combine(date.fromordinal(days[day]), self._clocks[clock])

    @property
    def is_daily_at_most(self) -> bool:
        """Whether no day can have two times."""
        return not self._rule.is_sub_daily and len(self._clocks) == 1

    # --- Days ---

    def _ordinals(self, first: date, last_year: int) -> Iterator[int]:
        """The days, as proleptic Gregorian ordinals, that the rule matches."""
        rule, year = self._rule, self.start.year
        step = rule.interval if rule.frequency == "YEARLY" else 1
        first_year = year + max(0, (first.year - year) // step) * step
        if rule.frequency == "WEEKLY":
            first_year = first.year
        if self._misses_weekdays:
            return
        is_in_phase = self._phase
        for current in range(first_year, last_year + 1, step):
            begin = date(current, 1, 1).toordinal()
            for day in self._days_of_year(current):
                if is_in_phase is None or is_in_phase(begin + day):
                    yield begin + day

    @property
    def _misses_weekdays(self) -> bool:
        """Whether INTERVAL is whole weeks, in days, and the start is on none of the weekdays."""
        rule, step = self._rule, self._rule.interval
        if self._units is not None:
            step, rest = divmod(step, self._units.per_day)
            step = 0 if rest else step
        elif rule.frequency != "DAILY":
            return False
        is_named = not rule.weekdays or (0, self.start.weekday()) in rule.weekdays
        return step > 0 and step % 7 == 0 and not is_named

    @cached_property
    def _phase(self) -> Callable[[int], bool] | None:
        """Whether a day, by its ordinal, is in phase with INTERVAL. None: every day is.

        The caller steps over the years of YEARLY rules.
        """
        rule, start, interval = self._rule, self.start, self.rule.interval
        first = start.toordinal()
        if interval == 1 or rule.is_sub_daily or rule.frequency == "YEARLY":
            return None
        if rule.frequency == "DAILY":
            return lambda ordinal: (ordinal - first) % interval == 0
        if rule.frequency == "WEEKLY":
            return lambda ordinal: (self._week(ordinal) - self._week(first)) % interval == 0

        def has_month(ordinal: int) -> bool:
            day = date.fromordinal(ordinal)
            return ((day.year - start.year) * 12 + day.month - start.month) % interval == 0

        return has_month

    def _week(self, ordinal: int) -> int:
        return (ordinal - 1 - self._rule.week_start) // 7  # ordinal 1 is a Monday

    @property
    def _period(self) -> Callable[[int], int] | None:
        """The period of a day, by its ordinal, that BYSETPOS selects from. None: the day itself."""
        rule = self._rule
        if rule.frequency == "DAILY" or not rule.positions:
            return None
        if rule.frequency == "WEEKLY":
            return self._week
        if rule.frequency == "YEARLY":
            return lambda ordinal: date.fromordinal(ordinal).year

        def month(ordinal: int) -> int:
            day = date.fromordinal(ordinal)
            return day.year * 12 + day.month

        return month

    @cached_property
    def _tables(self) -> dict[tuple[bool, int, bool], tuple[int, ...]]:
        return {}

    def _days_of_year(self, year: int) -> tuple[int, ...]:
        """The days that the BY parts match, without INTERVAL and BYSETPOS. 1 January is 0."""
        key = (isleap(year), date(year, 1, 1).weekday(), isleap(year - 1))
        if key not in self._tables:
            rule = self._rule
            in_month = rule.frequency == "MONTHLY" or (
                rule.frequency == "YEARLY" and bool(rule.months)
            )
            first = date(year, 1, 1)
            days = [
                (date(year, month, number) - first).days
                for month in sorted(rule.months or range(1, 13))
                for number in _numbers_in_month(year, month, rule.month_days)
            ]
            self._tables[key] = tuple(
                day for day in days if _fits(first + timedelta(day), rule, in_month=in_month)
            )
        return self._tables[key]

    # --- Times of day ---

    def _selected(self, length: int) -> Iterator[int] | range:
        """The indexes that BYSETPOS selects in a set of this length. All without BYSETPOS."""
        positions = self._rule.positions
        if not positions:
            return range(length)
        indexes = {nth - 1 if nth > 0 else length + nth for nth in positions}
        return iter(sorted(index for index in indexes if 0 <= index < length))

    @cached_property
    def _clocks(self) -> list[time]:
        """The times of day of a rule that steps by days or more."""
        rule = self._rule
        micro = self.start.microsecond
        return [
            time(hour, minute, second, micro)
            for hour, minute, second in product(
                sorted(rule.hours), sorted(rule.minutes), sorted(rule.seconds)
            )
        ]

    @cached_property
    def _units(self) -> "_Units | None":
        return _Units.of(self._rule, self.start) if self._rule.is_sub_daily else None

    def _times_in_units(
        self, begin: datetime, ordinals: Iterator[int], units: "_Units"
    ) -> Iterator[datetime]:
        steps = 0
        first_day = begin.toordinal()
        first_unit = (begin.hour * 3600 + begin.minute * 60 + begin.second) // units.length
        if units.allowed == ():
            return
        interval, per_day, base = units.interval, units.per_day, units.base
        for ordinal in ordinals:
            if ordinal < first_day or (base - ordinal * per_day) % interval >= per_day:
                continue
            steps += 1 + units.cost
            if steps > _MAX_STEPS:
                raise InvalidRecurrence("The rule matches too seldom. Use FREQ=DAILY with BYHOUR.")
            midnight = datetime.combine(date.fromordinal(ordinal), time())
            for unit in units.on(ordinal, first_unit if ordinal == first_day else 0):
                for index in self._selected(len(units.rest)):
                    seconds = unit * units.length + units.rest[index]
                    yield midnight + timedelta(seconds=seconds, microseconds=self.start.microsecond)

    @cached_property
    def _rule(self) -> Rule:
        return _with_defaults(self.rule, self.start)


@dataclass(frozen=True)
class _Units:
    """The hours, minutes or seconds that a sub-daily rule steps by. `length` is in seconds.

    `base` is the unit of the start, counted from ordinal 0. `allowed` has the units of a day that
    BYHOUR, BYMINUTE and BYSECOND allow (None: all). `rest` has the matching seconds within a unit.
    """

    length: int
    interval: int
    base: int
    allowed: tuple[int, ...] | None
    rest: tuple[int, ...]

    @classmethod
    def of(cls, rule: Rule, start: datetime) -> "_Units":
        length = _UNIT_SECONDS[rule.frequency]
        per_day = _DAY_SECONDS // length
        of_day = (start.hour * 3600 + start.minute * 60 + start.second) // length
        base = start.toordinal() * per_day + of_day
        minutes, seconds = sorted(rule.minutes), sorted(rule.seconds)
        parts: list[tuple[int, list[int] | range]] = [(3600, sorted(rule.hours) or range(24))]
        rest: tuple[int, ...] = (0,)
        limits = bool(rule.hours)
        if length == 3600:
            rest = tuple(60 * m + s for m in minutes for s in seconds)
        else:
            limits = limits or bool(minutes)
            parts.append((60, minutes or range(60)))
            if length == 60:
                rest = tuple(seconds)
            else:
                limits = limits or bool(seconds)
                parts.append((1, seconds or range(60)))
        allowed: tuple[int, ...] | None = None
        if limits:
            # Without units that are in phase on no day: a rule without any needs no search.
            modulus = gcd(rule.interval, per_day)
            sums = (sum(combined) for combined in product(*(
                [size * value // length for value in values] for size, values in parts
            )))  # fmt: skip
            allowed = tuple(unit for unit in sums if (unit - base) % modulus == 0)
        return cls(length, rule.interval, base, allowed, rest)

    @property
    def per_day(self) -> int:
        return _DAY_SECONDS // self.length

    @cached_property
    def _allowed(self) -> frozenset[int]:
        return frozenset(self.allowed or ())

    @property
    def cost(self) -> int:
        """The number of units of one day that are compared."""
        in_phase = self.per_day // self.interval
        return in_phase if self.allowed is None else min(in_phase, len(self.allowed))

    def on(self, ordinal: int, first: int) -> Iterator[int]:
        """The matching units of a day from `first` on, in order."""
        midnight = ordinal * self.per_day
        if self.allowed is not None and len(self.allowed) <= self.per_day // self.interval:
            for unit in self.allowed:
                passed = midnight + unit - self.base
                if passed % self.interval == 0 and unit >= first:
                    yield unit
            return
        first += (self.base - midnight - first) % self.interval
        for unit in range(first, self.per_day, self.interval):
            if self.allowed is None or unit in self._allowed:
                yield unit


def _with_defaults(rule: Rule, start: datetime) -> Rule:
    """The rule with the parts that it lacks, from its start."""
    parts: dict[str, Any] = {}
    if not (rule.weekdays or rule.month_days or rule.year_days):
        if rule.frequency == "WEEKLY" or rule.week_numbers:
            parts["weekdays"] = frozenset({(0, start.weekday())})
        elif rule.frequency in {"MONTHLY", "YEARLY"}:
            parts["month_days"] = frozenset({start.day})
            if rule.frequency == "YEARLY" and not rule.months:
                parts["months"] = frozenset({start.month})
    if not rule.is_sub_daily:
        parts["hours"] = rule.hours or frozenset({start.hour})
    if rule.frequency not in {"MINUTELY", "SECONDLY"}:
        parts["minutes"] = rule.minutes or frozenset({start.minute})
    if rule.frequency != "SECONDLY":
        parts["seconds"] = rule.seconds or frozenset({start.second})
    return replace(rule, **parts)


def _numbers_in_month(year: int, month: int, month_days: frozenset[int]) -> list[int] | range:
    length = monthrange(year, month)[1]
    if not month_days:
        return range(1, length + 1)
    numbers = {day if day > 0 else length + 1 + day for day in month_days}
    return sorted(number for number in numbers if 1 <= number <= length)


def _fits(day: date, rule: Rule, *, in_month: bool) -> bool:
    """Whether BYYEARDAY, BYWEEKNO and BYDAY match a day. `in_month`: 2TU counts in the month."""
    year_day, year_length = day.timetuple().tm_yday, 366 if isleap(day.year) else 365
    if rule.year_days and not {year_day, year_day - year_length - 1} & rule.year_days:
        return False
    if rule.week_numbers and not _week_numbers(day, rule.week_start) & rule.week_numbers:
        return False
    if not rule.weekdays:
        return True
    if (0, day.weekday()) in rule.weekdays:
        return True
    place, length = year_day, year_length
    if in_month:
        place, length = day.day, monthrange(day.year, day.month)[1]
    ordinals = {(place - 1) // 7 + 1, -((length - place) // 7 + 1)}
    return any((ordinal, day.weekday()) in rule.weekdays for ordinal in ordinals)


def _week_numbers(day: date, week_start: int) -> set[int]:
    """The number of a day's week (ISO 8601), from the first and from the last of its year."""
    year = day.year
    if day >= _first_week(year + 1, week_start):
        year += 1
    elif day < _first_week(year, week_start):
        year -= 1
    first, following = _first_week(year, week_start), _first_week(year + 1, week_start)
    return {(day - first).days // 7 + 1, (day - following).days // 7}


def _first_week(year: int, week_start: int) -> date:
    """The first day of the week that contains 4 January."""
    fourth = date(year, 1, 4)
    return fourth - timedelta(days=(fourth.weekday() - week_start) % 7)

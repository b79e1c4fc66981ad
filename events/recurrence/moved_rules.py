"""Renders the RRULE of a schedule that was moved."""

from datetime import MAXYEAR, UTC, date, datetime, timedelta
from itertools import product

from ..zones import at_wall_clock, wall_clock
from .rule import WEEKDAYS, Rule
from .schedule import Schedule

_DAY = timedelta(days=1)
_LAST = datetime(MAXYEAR, 12, 31, 23, 59, 59, tzinfo=UTC)


def rendered_rule(schedule: Schedule) -> str:
    """The rule with its day and time parts and UNTIL moved like its turns.

    If no RRULE has the moved turns, such as the days after last Fridays, it is the nearest one.
    """
    rule = schedule.rule
    if not schedule.shift and schedule.zone == schedule.written_in:
        return rule.text
    parts = dict(part.split("=", 1) for part in rule.text.split(";"))
    start, moved = schedule.start, schedule.nominal_start
    days = (moved.date() - start.date()).days
    if days:
        months = (moved.year - start.year) * 12 + moved.month - start.month
        parts |= _moved_days(rule, days, start) | _moved_months(rule, months)
    clock = int((schedule.shift - days * _DAY).total_seconds())
    if clock:
        parts |= _moved_clock(rule, start, clock)
    if "UNTIL" in parts:
        parts["UNTIL"] = _moved_until(schedule, days)
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _joined(numbers: set[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def _moved_days(rule: Rule, days: int, start: datetime) -> dict[str, str]:
    parts = {}
    if rule.weekdays:
        # A day after "2TU" is "2WE", except at the begin of a month.
        weekdays = sorted(
            (ordinal and (ordinal + round(days / 7) or ordinal), (weekday + days) % 7)
            for ordinal, weekday in rule.weekdays
        )
        parts["BYDAY"] = ",".join(f"{n or ''}{WEEKDAYS[weekday]}" for n, weekday in weekdays)
    if rule.month_days:
        parts["BYMONTHDAY"] = _joined({_moved_number(day, days, 31) for day in rule.month_days})
    if rule.year_days:
        parts["BYYEARDAY"] = _joined({_moved_number(day, days, 366) for day in rule.year_days})
    if rule.week_numbers:
        weekday = min((day for _, day in rule.weekdays), default=start.weekday())
        weeks = ((weekday - rule.week_start) % 7 + days) // 7
        parts["BYWEEKNO"] = _joined({_moved_number(n, weeks, 53) for n in rule.week_numbers})
    return parts


def _moved_number(number: int, by: int, length: int) -> int:
    """A moved number, counted from the first (1) or the last (-1) of `length`. There is no 0."""
    moved = number + by
    if number > 0 >= moved:
        moved -= 1  # the day before the first is the last, -1
    elif number < 0 <= moved:
        moved += 1
    return (moved - 1) % length + 1 if moved > 0 else -((-moved - 1) % length + 1)


def _moved_months(rule: Rule, months: int) -> dict[str, str]:
    if not (rule.months and months and rule.frequency in {"MONTHLY", "YEARLY"}):
        return {}
    return {"BYMONTH": _joined({(month - 1 + months) % 12 + 1 for month in rule.months})}


def _moved_clock(rule: Rule, start: datetime, seconds: int) -> dict[str, str]:
    named = {"BYHOUR": rule.hours, "BYMINUTE": rule.minutes, "BYSECOND": rule.seconds}
    if not any(named.values()):
        return {}
    steps = {"HOURLY": 1, "MINUTELY": 2, "SECONDLY": 3}.get(rule.frequency, 0)
    everything = (range(24), range(60), range(60))
    of_start = (start.hour, start.minute, start.second)
    units = [
        sorted(values) or (everything[index] if index < steps else (of_start[index],))
        for index, values in enumerate(named.values())
    ]
    times = {
        (hour * 3600 + minute * 60 + second + seconds) % 86_400
        for hour, minute, second in product(*units)
    }
    moved = {
        "BYHOUR": {time // 3600 for time in times},
        "BYMINUTE": {time // 60 % 60 for time in times},
        "BYSECOND": {time % 60 for time in times},
    }
    return {name: _joined(moved[name]) for name, values in named.items() if values}


def _moved_until(schedule: Schedule, days: int) -> str:
    until = schedule.until
    try:
        if isinstance(until, datetime):
            local = wall_clock(until, schedule.written_in) + schedule.shift
            until = at_wall_clock(local, schedule.zone)
        elif until is not None:
            until += days * _DAY
    except OverflowError:
        until = _LAST if isinstance(until, datetime) else _LAST.date()
    return until_text(until)


def until_text(until: date | datetime | None) -> str:
    if isinstance(until, datetime):
        return f"{until.astimezone(UTC):%Y%m%dT%H%M%S}Z"
    return f"{until:%Y%m%d}"

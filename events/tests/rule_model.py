"""A plain model of RFC 5545, section 3.3.10: each day or moment is compared with the rule.

It steps through all time and shares no code with what it is compared with.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import groupby
from zoneinfo import ZoneInfo

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
STEPS = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}


def parts_of(rule: str) -> dict[str, str]:
    return dict(part.split("=") for part in rule.split(";"))


def numbers(parts: dict[str, str], name: str) -> frozenset[int]:
    return numbers_in(parts.get(name, ""))


@cache
def numbers_in(text: str) -> frozenset[int]:
    return frozenset(int(number) for number in text.split(",") if number)


def counted(position: int, length: int) -> tuple[int, int]:
    """A place from the first (1) and from the last (-1) of so many."""
    return position, position - length - 1


def fits_day(day: date, parts: dict[str, str]) -> bool:
    year_length = date(day.year, 12, 31).timetuple().tm_yday
    month_length = monthrange(day.year, day.month)[1]
    year_day = day.timetuple().tm_yday
    if "BYMONTH" in parts and day.month not in numbers(parts, "BYMONTH"):
        return False
    if "BYMONTHDAY" in parts and not set(counted(day.day, month_length)) & (
        numbers(parts, "BYMONTHDAY")
    ):
        return False
    if "BYYEARDAY" in parts and not set(counted(year_day, year_length)) & (
        numbers(parts, "BYYEARDAY")
    ):
        return False
    if "BYWEEKNO" in parts:
        year, week, _ = day.isocalendar()
        weeks = date(year, 12, 28).isocalendar()[1]
        if not set(counted(week, weeks)) & (numbers(parts, "BYWEEKNO")):
            return False
    if "BYDAY" not in parts:
        return True
    in_month = parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts
    position, length = (day.day, month_length) if in_month else (year_day, year_length)
    ordinals = {0, (position - 1) // 7 + 1, -((length - position) // 7 + 1)}
    return any(
        entry[-2:] == WEEKDAYS[day.weekday()] and int(entry[:-2] or 0) in ordinals
        for entry in parts["BYDAY"].split(",")
    )


def with_defaults(parts: dict[str, str], start: datetime) -> dict[str, str]:
    parts = dict(parts)
    frequency = parts["FREQ"]
    if not {"BYDAY", "BYMONTHDAY", "BYYEARDAY"} & parts.keys():
        if frequency == "WEEKLY" or "BYWEEKNO" in parts:
            parts["BYDAY"] = WEEKDAYS[start.weekday()]
        elif frequency in {"MONTHLY", "YEARLY"}:
            parts["BYMONTHDAY"] = str(start.day)
            if frequency == "YEARLY":
                parts.setdefault("BYMONTH", str(start.month))
    if frequency not in STEPS:
        parts.setdefault("BYHOUR", str(start.hour))
    if frequency not in {"MINUTELY", "SECONDLY"}:
        parts.setdefault("BYMINUTE", str(start.minute))
    if frequency != "SECONDLY":
        parts.setdefault("BYSECOND", str(start.second))
    return parts


def period_of(moment: datetime, parts: dict[str, str], start: datetime) -> int:
    """The number of the moment's period since the start's."""
    frequency = parts["FREQ"]
    if frequency == "YEARLY":
        return moment.year - start.year
    if frequency == "MONTHLY":
        return (moment.year - start.year) * 12 + moment.month - start.month
    day = datetime(start.year, start.month, start.day)
    if frequency == "DAILY":
        return (moment - day).days
    if frequency == "WEEKLY":
        begin = WEEKDAYS.index(parts.get("WKST", "MO"))
        return (moment - (day - timedelta(days=(day.weekday() - begin) % 7))).days // 7
    step = STEPS[frequency]
    return int((moment - day).total_seconds()) // step - int((start - day).total_seconds()) // step


def moments_of(day: date, parts: dict[str, str], start: datetime) -> Iterator[datetime]:
    """Each second of the day that BYHOUR, BYMINUTE and BYSECOND have, in order."""
    midnight = datetime(day.year, day.month, day.day)
    hours = numbers(parts, "BYHOUR") if "BYHOUR" in parts else range(24)
    minutes = numbers(parts, "BYMINUTE") if "BYMINUTE" in parts else range(60)
    seconds = numbers(parts, "BYSECOND") if "BYSECOND" in parts else range(60)
    interval = int(parts.get("INTERVAL", "1"))
    for hour in sorted(hours):
        for minute in sorted(minutes):
            for second in sorted(seconds):
                moment = midnight + timedelta(hours=hour, minutes=minute, seconds=second)
                if period_of(moment, parts, start) % interval == 0:
                    yield moment


def local_times(rule: str, start: datetime, last_day: date) -> Iterator[datetime]:
    """The wall-clock times of a rule, without COUNT and UNTIL, up to a day."""
    parts = with_defaults(parts_of(rule), start)
    first = start.date() - timedelta(days=start.timetuple().tm_yday + 6)
    # The set of the last period that BYSETPOS picks from is looked at to its end.
    length = (last_day - first).days + (1 if parts["FREQ"] in STEPS else 373)
    days = (first + timedelta(days=number) for number in range(length))
    moments = (
        moment for day in days if fits_day(day, parts) for moment in moments_of(day, parts, start)
    )
    positions = numbers(parts, "BYSETPOS")
    for _, group in groupby(moments, lambda moment: period_of(moment, parts, start)):
        candidates = list(group)
        for position, moment in enumerate(candidates, start=1):
            is_picked = not positions or set(counted(position, len(candidates))) & positions
            if moment.date() > last_day:
                return
            if is_picked and moment >= start:
                yield moment


def instants(
    rule: str,
    start: datetime,
    zone: ZoneInfo,
    last_day: date,
    *,
    count: int | None = None,
    until: datetime | date | None = None,
    excluded: tuple[datetime | date, ...] = (),
) -> list[datetime]:
    """Of a rule without COUNT and UNTIL, which are given apart."""
    result = set()
    turns = 0
    for local in local_times(rule, start, last_day):
        at = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if isinstance(until, datetime):
            if at > until + timedelta(days=2):
                break
            if at > until:
                continue
        elif until is not None and local.date() > until:
            break
        turns += 1
        if at not in excluded and local.date() not in excluded:
            result.add(at)
        if turns == count:
            break
    return sorted(result)

"""Random rules in random zones, compared with a plain model, dateutil and a calendar program.

`RECURRENCE_RULES=10000 python -m pytest events/tests/test_recurrence_models.py` is thorough and
takes some minutes; some rules run by default.
"""

import os
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo, available_timezones

import pytest
import recurring_ical_events
from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from icalendar import Calendar

from events.recurrence import InvalidRecurrence, Schedule, parse_recurrence
from events.tests import rule_model
from events.zones import at_wall_clock, wall_clock

RULES = int(os.environ.get("RECURRENCE_RULES", "60"))
ZONES = sorted(available_timezones() - {"Factory", "localtime"})
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# Evenings and mornings of changes of the clocks, and other days.
DAYS = (date(2027, 3, 26), date(2027, 3, 13), date(2027, 10, 30), date(2027, 11, 6),
        date(2027, 4, 2), date(2027, 10, 2), date(2027, 9, 4), date(2027, 12, 28),
        date(2028, 2, 27), date(2027, 6, 15), date(2027, 1, 31))  # fmt: skip

random_rules = settings(
    max_examples=RULES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # seeds have nothing to shrink
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
seeds = st.integers(0, 2**40)


def some(random: Random, values, most: int = 3) -> str:
    chosen = random.sample(list(values), random.randint(1, most))
    return ",".join(map(str, sorted(chosen)))


def signed(low: int, high: int) -> list[int]:
    return [*range(-high, -low + 1), *range(low, high + 1)]


def any_rule(random: Random) -> str:
    """Any parts that RFC 5545 lets go together, without COUNT and UNTIL."""
    frequency = random.choice(
        ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
    )
    is_sub_daily = frequency in {"HOURLY", "MINUTELY", "SECONDLY"}
    interval = random.randint(1, 4)
    if is_sub_daily:
        interval = random.choice((1, 5, 7, 23, 24, 36, 90, 1440, 5000))
    parts = [f"FREQ={frequency}", f"INTERVAL={interval}"]
    if random.random() < 0.25:
        parts.append(f"BYMONTH={some(random, range(1, 13), 4)}")
    has_week = frequency == "YEARLY" and random.random() < 0.15
    if has_week:
        parts.append(f"BYWEEKNO={some(random, signed(1, 53))}")
    if frequency != "WEEKLY" and random.random() < 0.25:
        parts.append(f"BYMONTHDAY={some(random, signed(1, 31))}")
    if frequency not in {"DAILY", "WEEKLY", "MONTHLY"} and random.random() < 0.1:
        parts.append(f"BYYEARDAY={some(random, signed(1, 366))}")
    if random.random() < 0.4:
        days = random.sample(WEEKDAYS, random.randint(1, 4))
        if frequency in {"MONTHLY", "YEARLY"} and not has_week and random.random() < 0.5:
            days = [f"{random.choice((1, 2, 3, -1, -2, 5))}{day}" for day in days]
        parts.append(f"BYDAY={','.join(days)}")
    if random.random() < (0.6 if is_sub_daily else 0.3):
        parts.append(f"BYHOUR={some(random, (0, 1, 2, 3, 9, 18, 23))}")
    if random.random() < (0.6 if frequency in {"MINUTELY", "SECONDLY"} else 0.15):
        parts.append(f"BYMINUTE={some(random, (0, 15, 30, 59))}")
    if frequency == "SECONDLY" or random.random() < 0.05:
        parts.append(f"BYSECOND={some(random, (0, 30, 59))}")
    if len(parts) > 2 and random.random() < 0.2:
        parts.append(f"BYSETPOS={some(random, (1, 2, 3, -1, -2), 2)}")
    if frequency == "WEEKLY" and random.random() < 0.4:
        parts.append(f"WKST={random.choice(WEEKDAYS)}")
    return ";".join(parts)


def any_start(random: Random, zone: ZoneInfo) -> datetime:
    """On the clock, and not in a gap."""
    clock = timedelta(minutes=random.choice((0, 30, 60, 90, 120, 150, 165, 540, 1080, 1425)))
    day = random.choice(DAYS)
    local = datetime(day.year, day.month, day.day) + clock
    return wall_clock(at_wall_clock(local, zone), zone)


@random_rules
@given(seed=seeds)
def test_a_rule_gives_what_a_plain_model_gives(seed):
    random = Random(seed)
    zone = ZoneInfo(random.choice(ZONES))
    rule, start = any_rule(random), any_start(random, zone)
    days = {"HOURLY": 40, "MINUTELY": 8, "SECONDLY": 3}.get(rule_model.parts_of(rule)["FREQ"], 800)
    last_day = start.date() + timedelta(days=days)
    note(f"{rule} from {start} in {zone}")
    times = rule_model.local_times(rule, start, last_day)
    turns = [local for local, _ in zip(times, range(random.randint(1, 40)), strict=False)]
    count = until = None
    ending = ""
    if not turns:
        return  # seldom or never
    end = turns[-1]
    kind = random.choice(("count", "instant", "day"))
    if kind == "count":
        count = len(turns)
        ending = f"COUNT={count}"
    elif kind == "instant":
        until = at_wall_clock(end, zone) + timedelta(minutes=random.choice((0, 0, -30, 45)))
        ending = f"UNTIL={until:%Y%m%dT%H%M%SZ}"
    else:
        until = end.date()
        ending = f"UNTIL={until:%Y%m%d}"
    excluded = tuple(
        at_wall_clock(turn, zone) if random.random() < 0.5 else turn.date()
        for turn in turns
        if random.random() < 0.2
    )
    expected = rule_model.instants(
        rule, start, zone, last_day, count=count, until=until, excluded=excluded
    )
    lines = [
        f"EXDATE:{moment:%Y%m%dT%H%M%SZ}" if isinstance(moment, datetime) else f"EXDATE:{moment}"
        for moment in excluded
    ]

    text = "\n".join([f"RRULE:{rule};{ending}", *lines])
    if 0 < len(expected) <= 366:
        assert expand(text, at_wall_clock(start, zone), zone) == expected
    else:
        with pytest.raises(InvalidRecurrence):
            expand(text, at_wall_clock(start, zone), zone)


def expand(text: str, start: datetime, zone: ZoneInfo) -> list[datetime]:
    recurrence = parse_recurrence(text, zone)
    schedule = Schedule.written(recurrence.rule, start, zone, recurrence.excluded)
    schedule.check()
    return [turn.at for turn in schedule.planned(None, None)]


def common_rule(random: Random) -> str:
    """A rule on which all programs agree.

    Beyond these dateutil, which the other stands on, leaves out days of `BYDAY=MO,2TU`, takes a
    first week to begin on its start for BYSETPOS, and BYWEEKNO without BYDAY for whole weeks.
    """
    frequency = random.choice(("YEARLY", "MONTHLY", "WEEKLY", "DAILY"))
    parts = [f"FREQ={frequency}", f"INTERVAL={random.randint(1, 4)}"]
    if random.random() < 0.4:
        parts.append(f"BYMONTH={some(random, range(1, 13), 4)}")
    if random.random() < 0.5:
        days = random.sample(WEEKDAYS, random.randint(1, 3))
        if frequency in {"MONTHLY", "YEARLY"} and random.random() < 0.5:
            days = [f"{random.choice((1, 2, 3, -1))}{day}" for day in days]
        parts.append(f"BYDAY={','.join(days)}")
        if frequency in {"MONTHLY", "YEARLY"} and random.random() < 0.4:
            parts.append(f"BYSETPOS={random.choice((1, 2, -1))}")
    elif frequency == "MONTHLY" and random.random() < 0.5:
        parts.append(f"BYMONTHDAY={some(random, signed(1, 31))}")
    if random.random() < 0.3:
        parts.append(f"BYHOUR={some(random, (0, 1, 2, 3, 9, 18, 23))}")
    parts.append(f"COUNT={random.randint(1, 30)}")
    return ";".join(parts)


@random_rules
@given(seed=seeds)
def test_a_rule_gives_what_other_programs_give(seed):
    random = Random(seed)
    zone = ZoneInfo(random.choice(ZONES))
    rule, start = common_rule(random), any_start(random, zone)
    note(f"{rule} from {start} in {zone}")
    try:
        expanded = expand(rule, at_wall_clock(start, zone), zone)
    except InvalidRecurrence:
        return  # never, or not within a century
    by_dateutil = rrulestr(rule, dtstart=start)
    assert expanded == sorted({at_wall_clock(local, zone) for local in by_dateutil})

    first = wall_clock(expanded[0], zone)  # calendars count a start that the rule does not match
    if at_wall_clock(first, zone) != expanded[0] or expanded[-1].year > 2050 or "BYHOUR" in rule:
        return
    again = expand(rule, expanded[0], zone)
    assert again == read_elsewhere(rule, first, zone)


def read_elsewhere(rule: str, start: datetime, zone: ZoneInfo) -> list[datetime]:
    """As recurring-ical-events reads it."""
    when = f"DTSTART;TZID={zone.key}:{start:%Y%m%dT%H%M%S}"
    entry = ["BEGIN:VEVENT", "UID:1", when, "DURATION:PT1M", f"RRULE:{rule}", "END:VEVENT"]
    text = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *entry, "END:VCALENDAR", ""])
    query = recurring_ical_events.of(Calendar.from_ical(text))
    events = query.between(datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC))
    return sorted({event.start.astimezone(UTC) for event in events})

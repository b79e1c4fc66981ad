"""Rules on the clocks of zones: tables of changes of the clocks, and other programs' opinions."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

import pytest
import recurring_ical_events
from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from events.models import Event
from events.recurrence import InvalidRecurrence, Recurrence, Schedule, parse_recurrence
from events.services.planned_times import times_at
from events.zones import NonexistentTime, at_wall_clock, instant, same_wall_clock, wall_clock

ZONES = sorted(available_timezones() - {"Factory", "localtime"})
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

zones = st.sampled_from(ZONES).map(ZoneInfo)
local_times = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)


def expand(recurrence: Recurrence, start: datetime, zone, **bounds) -> list[datetime]:
    """The instants of a recurrence. Raises the errors of creating a series."""
    schedule = Schedule.written(recurrence.rule, start, zone, recurrence.excluded)
    schedule.check()
    return [turn.at for turn in schedule.occurrences(**bounds)]


def instants(rule: str, start: str, zone: str, **bounds) -> list[str]:
    """Of a rule from a wall-clock time on, in UTC."""
    tz = ZoneInfo(zone)
    begin = at_wall_clock(datetime.fromisoformat(start), tz)
    expanded = expand(parse_recurrence(rule, tz), begin, tz, **bounds)
    return [f"{moment:%m-%dT%H:%M}" for moment in expanded]


# --- changes of the clocks ---


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        # Summer time begins and ends in the night before the second day.
        ("Europe/Berlin", "2027-03-27T18:00", ["03-27T17:00", "03-28T16:00", "03-29T16:00"]),
        ("Europe/Berlin", "2027-10-30T18:00", ["10-30T16:00", "10-31T17:00", "11-01T17:00"]),
        ("Europe/Berlin", "2027-03-27T02:30", ["03-27T01:30", "03-28T01:30", "03-29T00:30"]),
        ("Europe/Berlin", "2027-10-30T02:30", ["10-30T00:30", "10-31T00:30", "11-01T01:30"]),
        ("America/New_York", "2027-03-13T18:00", ["03-13T23:00", "03-14T22:00", "03-15T22:00"]),
        ("America/New_York", "2027-03-13T02:30", ["03-13T07:30", "03-14T07:30", "03-15T06:30"]),
        ("America/New_York", "2027-11-06T01:30", ["11-06T05:30", "11-07T05:30", "11-08T06:30"]),
        ("Asia/Kolkata", "2027-03-27T18:00", ["03-27T12:30", "03-28T12:30", "03-29T12:30"]),
        # Half an hour.
        ("Australia/Lord_Howe", "2027-10-02T02:15", ["10-01T15:45", "10-02T15:45", "10-03T15:15"]),
        ("Australia/Lord_Howe", "2027-04-03T01:45", ["04-02T14:45", "04-03T14:45", "04-04T15:15"]),
        # Midnight was skipped; since 2019 it is not any more.
        ("America/Sao_Paulo", "2018-11-03T00:00", ["11-03T03:00", "11-04T03:00", "11-05T02:00"]),
        ("America/Sao_Paulo", "2027-11-06T00:00", ["11-06T03:00", "11-07T03:00", "11-08T03:00"]),
        ("Asia/Tehran", "2022-03-21T00:30", ["03-20T21:00", "03-21T21:00", "03-22T20:00"]),
        ("Asia/Tehran", "2027-03-21T00:30", ["03-20T21:00", "03-21T21:00", "03-22T21:00"]),
        # Samoa skipped 30 December 2011: an occurrence of that day moves to the next one.
        ("Pacific/Apia", "2011-12-29T18:00", ["12-30T04:00", "12-31T04:00"]),
    ],
)
def test_a_time_on_the_clock_stays_when_the_clocks_change(zone, start, expected):
    assert instants("FREQ=DAILY;COUNT=3", start, zone) == expected


@pytest.mark.parametrize(
    ("zone", "start", "end", "at", "expected"),
    [
        # An evening that ends after the change ends at the same time on the clock.
        ("Europe/Berlin", "2027-03-20T22:00", "2027-03-21T04:00", "2027-03-27T22:00", 5),
        ("Europe/Berlin", "2027-10-23T22:00", "2027-10-24T04:00", "2027-10-30T22:00", 7),
        # Its start is skipped: it is as long as ever.
        ("Europe/Berlin", "2027-03-27T02:30", "2027-03-27T03:15", "2027-03-28T02:30", 0.75),
        ("Europe/Berlin", "2027-03-27T01:30", "2027-03-27T02:30", "2027-03-28T01:30", 1),
        ("Asia/Kolkata", "2027-03-27T22:00", "2027-03-28T04:00", "2027-03-28T22:00", 6),
    ],
)
def test_the_end_follows_the_clocks(zone, start, end, at, expected):
    tz = ZoneInfo(zone)
    plan = Event(
        start_time=at_wall_clock(datetime.fromisoformat(start), tz),
        end_time=at_wall_clock(datetime.fromisoformat(end), tz),
    )

    times = times_at(plan, at_wall_clock(datetime.fromisoformat(at), tz), tz)

    assert times["end_time"] - times["start_time"] == timedelta(hours=expected)


def test_an_hour_that_is_skipped_gives_no_event_twice():
    expanded = instants("FREQ=HOURLY;COUNT=4", "2027-03-28T01:00", "Europe/Berlin")

    assert expanded == ["03-28T00:00", "03-28T01:00", "03-28T02:00"]


def test_a_start_in_the_second_of_two_hours_is_that_instant():
    zone = ZoneInfo("Europe/Berlin")
    second = datetime(2027, 10, 31, 1, 30, tzinfo=UTC)  # 02:30 for the second time

    expanded = expand(parse_recurrence("FREQ=DAILY;COUNT=2", zone), second, zone)

    assert expanded == [second, datetime(2027, 11, 1, 1, 30, tzinfo=UTC)]


@settings(max_examples=300, deadline=None)
@given(zones, local_times)
def test_a_wall_clock_time_and_its_instant_are_each_others(zone, local):
    try:
        at = instant(local, zone)
    except NonexistentTime:
        assert wall_clock(at_wall_clock(local, zone), zone) > local  # moved forward
    else:
        assert wall_clock(at, zone) == local
        assert same_wall_clock(at, zone, zone) == at


@settings(max_examples=150, deadline=None)
@given(zones, local_times, st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]), st.integers(1, 5))
def test_each_occurrence_shows_the_same_time_on_the_clock(zone, start, frequency, interval):
    rule = f"FREQ={frequency};INTERVAL={interval};COUNT=60"
    begin = at_wall_clock(start, zone)
    assume(wall_clock(begin, zone) == start)

    expanded = expand(parse_recurrence(rule, zone), begin, zone)

    assert expanded == sorted(set(expanded))
    for moment in expanded:
        local = wall_clock(moment, zone)
        if local.time() != start.time():  # the clocks skip it on that day
            with pytest.raises(NonexistentTime):
                instant(_planned(rule, start, zone, moment), zone)


def _planned(rule: str, start: datetime, zone: ZoneInfo, moment: datetime) -> datetime:
    """What the clocks should show at an occurrence, by dateutil."""
    return next(
        local for local in rrulestr(rule, dtstart=start) if at_wall_clock(local, zone) == moment
    )


# --- rules ---


@st.composite
def rules(draw) -> str:
    """Rules on which everybody agrees how RFC 5545 is to be read.

    Beyond these dateutil, which the others stand on, leaves out days of `BYDAY=MO,2TU`, takes a
    first week to begin on its start for BYSETPOS, and BYWEEKNO without BYDAY for whole weeks.
    """
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 4))}"]
    is_counted = frequency in {"MONTHLY", "YEARLY"} and draw(st.booleans())
    days = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3, unique=True)
    if draw(st.booleans()):
        months = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True))
        parts.append("BYMONTH=" + ",".join(map(str, months)))
    if draw(st.booleans()):
        which = [str(draw(st.sampled_from([1, 2, 3, -1]))) if is_counted else "" for _ in range(3)]
        named = zip(which, draw(days), strict=False)
        parts.append("BYDAY=" + ",".join(number + day for number, day in named))
        if frequency in {"MONTHLY", "YEARLY"} and draw(st.booleans()):
            parts.append(f"BYSETPOS={draw(st.sampled_from([1, 2, -1]))}")
    elif frequency == "MONTHLY" and draw(st.booleans()):
        month_days = draw(st.lists(st.integers(-31, 31).filter(bool), min_size=1, max_size=3))
        parts.append("BYMONTHDAY=" + ",".join(map(str, month_days)))
    if draw(st.booleans()):
        parts.append("WKST=" + draw(st.sampled_from(WEEKDAYS)))
    parts.append(f"COUNT={draw(st.integers(1, 30))}")
    return ";".join(parts)


@settings(max_examples=200, deadline=None)
@given(rules(), st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)))
def test_a_rule_is_read_as_dateutil_reads_it(rule, start):
    start = start.replace(second=0, microsecond=0)
    try:
        ours = expand(parse_recurrence(rule, UTC), start.replace(tzinfo=UTC), UTC)
    except InvalidRecurrence:
        assume(False)

    theirs = list(islice(rrulestr(rule, dtstart=start), len(ours) + 1))

    assert [moment.replace(tzinfo=None) for moment in ours] == theirs


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(rules(), zones, st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1)))
def test_a_rule_is_expanded_as_another_program_expands_it(rule, zone, start):
    start = start.replace(second=0, microsecond=0)
    try:
        expanded = expand(parse_recurrence(rule, zone), at_wall_clock(start, zone), zone)
    except InvalidRecurrence:
        assume(False)
    assume(expanded[-1].year < 2050)
    first = wall_clock(expanded[0], zone)  # calendars count a start that the rule does not match
    assume(at_wall_clock(first, zone) == expanded[0])
    ours = expand(parse_recurrence(rule, zone), expanded[0], zone)

    assert ours == read_elsewhere(rule, first, zone)


def read_elsewhere(rule: str, start: datetime, zone: ZoneInfo, *lines: str) -> list[datetime]:
    when = f"DTSTART;TZID={zone.key}:{start:%Y%m%dT%H%M%S}"
    entry = ["BEGIN:VEVENT", "UID:1", when, "DURATION:PT1M", f"RRULE:{rule}", *lines, "END:VEVENT"]
    text = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *entry, "END:VCALENDAR", ""])
    query = recurring_ical_events.of(Calendar.from_ical(text))
    events = query.between(datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC))
    return sorted({event.start.astimezone(UTC) for event in events})


@pytest.mark.django_db
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rule=rules(),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Tehran",
                          "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"]),
    start=st.datetimes(datetime(2027, 2, 1), datetime(2028, 1, 1)),
)  # fmt: skip
def test_our_feed_says_what_another_program_makes_of_the_rule(
    clock, anyone, olga, signed_in, rule, zone, start
):
    start = start.replace(second=0, microsecond=0)
    client = signed_in(olga)
    body = {"name": "x", "location": "y", "timezone": zone, "recurrence": rule}
    preview = client.post("/api/series/?dry_run=1", {**body, "start_time": start.isoformat()})
    assume(preview.status_code == 200)
    first = datetime.fromisoformat(preview.json()["occurrences"][0]["start_time"])
    assume(datetime.fromisoformat(preview.json()["occurrences"][-1]["start_time"]).year < 2050)
    local = wall_clock(first, ZoneInfo(zone))

    series = client.post("/api/series/", {**body, "start_time": first.isoformat()}).json()

    feed = anyone.get(f"/api/events/calendar.ics?series={series['id']}&when=all").content
    read = recurring_ical_events.of(Calendar.from_ical(feed)).between(
        datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
    )
    assert sorted(event.start.astimezone(UTC) for event in read) == read_elsewhere(
        rule, local, ZoneInfo(zone)
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # RFC 5545, section 3.3.10: each weekday beside a counted one
        ("FREQ=MONTHLY;BYDAY=FR,2MO;COUNT=4", ["01-01", "01-08", "01-11", "01-15"]),
        # the set of a week is the whole week, also before the start
        ("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=-1;COUNT=2", ["01-01", "01-08"]),
        ("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1;COUNT=2", ["01-04", "01-11"]),
        # the start gives the weekday that the rule lacks
        ("FREQ=YEARLY;BYWEEKNO=2,3;COUNT=2", ["01-15", "01-22"]),
        ("FREQ=YEARLY;BYWEEKNO=-1;BYDAY=MO;COUNT=1", ["12-27"]),
        ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=FR;COUNT=1", ["01-01"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=3", ["01-31", "03-31", "05-31"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=2", ["01-31", "02-28"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", ["01-29", "02-26"]),
        ("FREQ=YEARLY;BYYEARDAY=-1;COUNT=1", ["12-31"]),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=1", ["08-13"]),
        ("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,FR;COUNT=3", ["01-01", "01-10", "01-15"]),
        ("FREQ=DAILY;BYMONTH=3;UNTIL=20270302", ["03-01", "03-02"]),
        ("freq=weekly;count=1", ["01-01"]),
        ("RRULE:FREQ=WEEKLY;COUNT=1;", ["01-01"]),
    ],
)
def test_rules_that_others_read_in_other_ways_or_seldom(rule, expected):
    expanded = instants(rule, "2027-01-01T18:00", "UTC")

    assert [moment[:5] for moment in expanded] == expected


@pytest.mark.parametrize(
    ("end", "count"),
    [
        ("UNTIL=20270104", 4),  # a day: all of it
        ("UNTIL=20270104T180000", 4),  # on the clocks there
        ("UNTIL=20270104T123000Z", 4),
        ("UNTIL=20270104T122959Z", 3),
        ("COUNT=4", 4),
    ],
)
def test_the_end_of_a_rule_belongs_to_it(end, count):
    assert len(instants(f"FREQ=DAILY;{end}", "2027-01-01T18:00", "Asia/Kolkata")) == count


def test_past_occurrences_are_skipped_without_counting():
    begin = datetime(1950, 1, 1, 18, tzinfo=UTC)
    after, to = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 8, tzinfo=UTC)

    for rule, count in (
        ("FREQ=HOURLY;BYHOUR=9", 7),
        ("FREQ=MINUTELY;INTERVAL=720;BYDAY=MO", 2),
        ("FREQ=DAILY;INTERVAL=2", 4),
        ("FREQ=WEEKLY;BYDAY=MO,TU", 2),
        ("FREQ=MONTHLY", 1),
        ("FREQ=YEARLY", 1),
    ):
        expanded = expand(parse_recurrence(rule, UTC), begin, UTC, after=after, to=to)
        assert len(expanded) == count, rule


@pytest.mark.timeout(300)
@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.tuples(
                st.sampled_from(["FREQ", "COUNT", "UNTIL", "INTERVAL", "BYDAY", "BYMONTH",
                                 "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS", "BYHOUR",
                                 "BYMINUTE", "WKST", "\nEXDATE"]),
                st.one_of(
                    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "HOURLY", "MINUTELY",
                                     "MO", "-1FR,SU", "99990101T000000Z", "00010101", "0", "-1"]),
                    st.integers(-400, 400).map(str),
                ),
            ).map("=".join),
            max_size=6,
        ).map(";".join),
    ),
    zones,
)  # fmt: skip
def test_no_text_keeps_a_server_busy_or_breaks_it(text, zone):
    with suppress(InvalidRecurrence):
        expand(
            parse_recurrence(text, zone),
            datetime(2027, 1, 1, tzinfo=UTC),
            zone,
            to=datetime(2028, 1, 1, tzinfo=UTC),
        )


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY",
        "FREQ=HOURLY;INTERVAL=23",
        "FREQ=DAILY;COUNT=2000000000",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
        "FREQ=MINUTELY;INTERVAL=60;BYMINUTE=30",
        "FREQ=HOURLY;INTERVAL=168;BYDAY=TU",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=MONTHLY;BYDAY=9MO",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
        "FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=YEARLY;INTERVAL=101;COUNT=2",
        "FREQ=SECONDLY;INTERVAL=7919;BYSECOND=59;BYHOUR=23;BYDAY=MO;BYMONTH=2;BYMONTHDAY=29",
    ],
)
@pytest.mark.timeout(30)
def test_a_rule_that_never_matches_or_runs_away_is_rejected_at_once(rule):
    with pytest.raises(InvalidRecurrence):
        expand(parse_recurrence(rule, UTC), datetime(2027, 3, 1, 18, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    ("rule", "count", "last"),
    [
        ("FREQ=MINUTELY;BYHOUR=9;BYMINUTE=0;COUNT=20", 20, "2027-03-21T09:00:00"),
        ("FREQ=SECONDLY;COUNT=3", 3, "2027-03-01T18:00:02"),
        ("FREQ=SECONDLY;BYHOUR=9;BYMINUTE=0;BYSECOND=0;COUNT=366", 366, "2028-03-01T09:00:00"),
        ("FREQ=HOURLY;INTERVAL=24;COUNT=3", 3, "2027-03-03T18:00:00"),
        ("FREQ=MINUTELY;INTERVAL=20000;COUNT=5", 5, "2027-04-26T07:20:00"),
        ("FREQ=YEARLY;COUNT=101", 101, "2127-03-01T18:00:00"),
        ("FREQ=YEARLY;INTERVAL=10000;UNTIL=99991231", 1, "2027-03-01T18:00:00"),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=100", 100, "2085-07-13T18:00:00"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=TU;COUNT=3", 3, "2084-02-29T18:00:00"),
        # Without leap seconds the second 60 is the second 59.
        ("FREQ=DAILY;BYSECOND=60;COUNT=2", 2, "2027-03-02T18:00:59"),
        ("FREQ=DAILY;UNTIL=20270302T235960Z", 2, "2027-03-02T18:00:00"),
        # The limit is on occurrences: 371 days, of which five are excluded.
        (
            "FREQ=DAILY;COUNT=371\nEXDATE:20270302,20270303,20270304,20270305,20270306",
            366,
            "2028-03-05T18:00:00",
        ),
    ],
)
def test_a_valid_rule_is_accepted_whatever_its_frequency(rule, count, last):
    expanded = expand(parse_recurrence(rule, UTC), datetime(2027, 3, 1, 18, tzinfo=UTC), UTC)

    assert (len(expanded), expanded[-1].replace(tzinfo=None).isoformat()) == (count, last)


def test_an_endless_rule_may_recur_once_a_day_by_any_frequency():
    start = datetime(2027, 3, 1, 18, tzinfo=UTC)

    for rule in ("FREQ=HOURLY;INTERVAL=24", "FREQ=MINUTELY;BYHOUR=9;BYMINUTE=0", "FREQ=DAILY"):
        expanded = expand(parse_recurrence(rule, UTC), start, UTC, to=start + timedelta(days=364))

        assert 364 <= len(expanded) <= 365, rule


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        # In Berlin 02:30 is 03:30 on that day, after 03:00.
        ("20270328T010000Z", ["00:30", "01:30", "03:00"]),
        ("20270328T030000", ["00:30", "01:30", "03:00"]),
        ("20270328T012959Z", ["00:30", "01:30", "03:00"]),
        ("20270328T013000Z", ["00:30", "01:30", "03:00", "03:30"]),
        ("20270328T023000", ["00:30", "01:30", "03:00", "03:30"]),
    ],
)
def test_until_beside_a_gap_is_an_instant(until, expected):
    zone = ZoneInfo("Europe/Berlin")
    rule = f"FREQ=DAILY;BYHOUR=0,1,2,3;BYMINUTE=0,30;UNTIL={until}"

    expanded = expand(parse_recurrence(rule, zone), datetime(2027, 3, 27, 23, 1, tzinfo=UTC), zone)

    clocks = [f"{wall_clock(moment, zone):%H:%M}" for moment in expanded]
    assert [clock for clock in clocks if clock not in {"01:00", "00:00"}] == expected


@pytest.mark.parametrize(
    ("excluded", "remaining"),
    [
        ("EXDATE:20270322T170000Z", [15, 29]),
        ("EXDATE:20270322T180000", [15, 29]),
        ("EXDATE;TZID=America/New_York:20270322T130000", [15, 29]),
        ("EXDATE;TZID=America/New_York:20270322T180000", [15, 22, 29]),
        ('EXDATE;TZID="Asia/Kolkata":20270322T223000,20270329T213000', [15]),
        ("EXDATE;VALUE=DATE:20270322", [15, 29]),
        ("EXDATE:20270322", [15, 29]),
        ("EXDATE:20270322T170001Z", [15, 22, 29]),
    ],
)
def test_an_excluded_time_is_an_instant(excluded, remaining):
    zone = ZoneInfo("Europe/Berlin")
    start = at_wall_clock(datetime(2027, 3, 15, 18), zone)

    expanded = expand(parse_recurrence(f"FREQ=WEEKLY;COUNT=3\n{excluded}", zone), start, zone)

    assert [moment.day for moment in expanded] == remaining


def test_an_excluded_day_is_the_nominal_one():
    # Samoa skipped 30 December 2011: the occurrence of that day is on the 31st.
    zone = ZoneInfo("Pacific/Apia")
    start = at_wall_clock(datetime(2011, 12, 28, 18), zone)

    expanded = expand(parse_recurrence("FREQ=DAILY;COUNT=5\nEXDATE:20111231", zone), start, zone)

    assert [wall_clock(moment, zone).day for moment in expanded] == [28, 29, 31, 1]


def test_two_turns_on_one_instant_are_one_occurrence_and_are_excluded_together():
    zone = ZoneInfo("Europe/Berlin")
    start = at_wall_clock(datetime(2027, 3, 28, 1), zone)

    expanded = expand(parse_recurrence("FREQ=HOURLY;COUNT=4", zone), start, zone)
    remaining = expand(
        parse_recurrence("FREQ=HOURLY;COUNT=4\nEXDATE:20270328T010000Z", zone), start, zone
    )

    assert [moment.hour for moment in expanded] == [0, 1, 2]
    assert [moment.hour for moment in remaining] == [0, 2]

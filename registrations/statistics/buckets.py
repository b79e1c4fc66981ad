"""The buckets of a timeline: hours, days, weeks and months of a zone. Pure: values in, values out.

A day is a day of the zone, so some have 23 or 25 hours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import islice

from events.zones import at_wall_clock, wall_clock

from ..errors import TooManyBuckets

MAX_BUCKETS = 1000


class Interval(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Range:
    """From `begin` on and before `end`, both instants."""

    begin: datetime
    end: datetime


def bucket_edges(span: Range, interval: Interval, zone: tzinfo) -> list[datetime]:
    """The beginnings of the buckets that contain the range, and the end of the last one.

    An empty range has one bucket. Raises `TooManyBuckets`, and `OverflowError` beyond the calendar.
    """
    edges = _hours(span.begin, zone) if interval == Interval.HOUR else _days(span, interval, zone)
    result = []
    for edge in islice(edges, MAX_BUCKETS + 2):
        result.append(edge)
        if edge >= span.end and len(result) > 1:
            break
    if len(result) > MAX_BUCKETS + 1:
        raise TooManyBuckets(max_buckets=MAX_BUCKETS)
    return result


def finest_interval(span: Range, zone: tzinfo) -> Interval:
    """Days, or the finest longer interval of which the range has at most `MAX_BUCKETS`."""
    for interval in (Interval.DAY, Interval.WEEK):
        try:
            bucket_edges(span, interval, zone)
        except TooManyBuckets:
            continue
        return interval
    return Interval.MONTH


def midnight(day: date, zone: tzinfo) -> datetime:
    """The instant at which a day of the zone begins."""
    return at_wall_clock(datetime.combine(day, time()), zone)


def _days(span: Range, interval: Interval, zone: tzinfo) -> Iterator[datetime]:
    day = wall_clock(span.begin, zone).date()
    if interval == Interval.WEEK:
        day -= timedelta(days=day.weekday())
    elif interval == Interval.MONTH:
        day = day.replace(day=1)
    while True:
        yield midnight(day, zone)
        if interval == Interval.MONTH:
            day = (day + timedelta(days=31)).replace(day=1)
        else:
            day += timedelta(days=7 if interval == Interval.WEEK else 1)


def _hours(begin: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Hours of the clock. One that a change by half an hour cuts is joined with the next."""
    edge = begin - _past_hour(begin, zone)
    while True:
        yield edge
        edge += timedelta(hours=1)
        past = _past_hour(edge, zone)
        if past:
            edge += timedelta(hours=1) - past


def _past_hour(moment: datetime, zone: tzinfo) -> timedelta:
    local = wall_clock(moment, zone)
    return local - local.replace(minute=0, second=0, microsecond=0)

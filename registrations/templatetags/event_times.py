"""When an event is, in words and in a zone."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template

register = template.Library()


@register.filter
def when(event: Any, zone_name: str) -> str:
    """From when to when, in a zone that is named. `event` has `start_time` and `end_time`.

    Such as `Monday, 15 March 2027, 14:30 - 15:30 (Asia/Kolkata, IST)`.
    """
    zone = ZoneInfo(zone_name)
    start, end = event.start_time.astimezone(zone), event.end_time.astimezone(zone)
    until = _clock(end) if start.date() == end.date() else f"{_day(end)}, {_clock(end)}"
    return f"{_day(start)}, {_clock(start)} – {until} ({_zone(start, zone_name)})"  # noqa: RUF001


@register.filter
def begins(event: Any, zone_name: str) -> str:
    """The start alone, shorter: `15 March 2027, 14:30 (Asia/Kolkata, IST)`."""
    start = event.start_time.astimezone(ZoneInfo(zone_name))
    return f"{start.day} {start:%B %Y}, {_clock(start)} ({_zone(start, zone_name)})"


def _day(moment: datetime) -> str:
    return f"{moment:%A}, {moment.day} {moment:%B %Y}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M}"


def _zone(moment: datetime, name: str) -> str:
    """The zone and what its clocks are called then; a zone without such a name has its offset."""
    short = moment.tzname() or ""
    if not short.isalpha():
        offset = f"{moment:%z}"
        short = f"UTC{offset[:3]}:{offset[3:5]}"
    return name if short == name else f"{name}, {short}"

"""Template filters that render the times and other facts of an event."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.utils.timezone import now

register = template.Library()


@register.filter
def when(event: Any, zone_name: str) -> str:
    """The start and the end in a zone, with its name. `event` has `start_time` and `end_time`.

    For example `Monday, 15 March 2027, 14:30 - 15:30 (Asia/Kolkata, IST)`.
    """
    zone = ZoneInfo(zone_name)
    start, end = event.start_time.astimezone(zone), event.end_time.astimezone(zone)
    until = _clock(end) if start.date() == end.date() else f"{_day(end)}, {_clock(end)}"
    return f"{_day(start)}, {_clock(start)} – {until} ({_zone(start, zone_name)})"  # noqa: RUF001


@register.filter
def begins(event: Any, zone_name: str) -> str:
    """The start only, shorter: `15 March 2027, 14:30 (Asia/Kolkata, IST)`."""
    start = event.start_time.astimezone(ZoneInfo(zone_name))
    return f"{start.day} {start:%B %Y}, {_clock(start)} ({_zone(start, zone_name)})"


@register.filter
def zone_name(event: Any) -> str:
    """The zone of an event, such as `Europe/Berlin, CET`."""
    start = event.start_time.astimezone(ZoneInfo(event.timezone))
    return _zone(start, event.timezone)


@register.filter
def is_over(event: Any) -> bool:
    return bool(event.end_time <= now())


@register.filter
def stars(rating: int) -> str:
    """Five characters, of which `rating` are filled."""
    return "★" * rating + "☆" * (5 - rating)


@register.filter
def tone(pk: int) -> int:
    """One of six colours, the same one wherever the event is shown."""
    return pk % 6


def _day(moment: datetime) -> str:
    return f"{moment:%A}, {moment.day} {moment:%B %Y}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M}"


def _zone(moment: datetime, name: str) -> str:
    """The zone and its abbreviation at that moment; the offset if it has no abbreviation."""
    short = moment.tzname() or ""
    if not short.isalpha():
        offset = f"{moment:%z}"
        short = f"UTC{offset[:3]}:{offset[3:5]}"
    return name if short == name else f"{name}, {short}"

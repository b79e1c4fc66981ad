"""Links that add an event to a calendar."""

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from ..models import Event

# No day is shorter. Most events are shorter, so that they need no further comparison.
_SHORTEST_DAY = timedelta(hours=22)


def google_calendar_url(event: Event) -> str:
    """A link that adds the event to Google Calendar.

    An event from midnight to midnight in its zone has whole days, of which the last is exclusive.
    Any other event has its instants and its zone.
    """
    return _url(
        event.name, event.start_time, event.end_time, event.timezone, event.location,
        event.description[:500],
    )  # fmt: skip


@lru_cache(maxsize=2000)
def _url(  # noqa: PLR0917  # positional arguments make a short cache key
    name: str, start: datetime, end: datetime, zone_name: str, location: str, details: str
) -> str:
    """Cached, since quoting took most of the time of a page of events."""
    query = {
        "action": "TEMPLATE",
        "text": name,
        "dates": _days(start, end, zone_name) or f"{_instant(start)}/{_instant(end)}",
        "ctz": zone_name,
        "location": location,
        "details": details,
    }
    return f"https://calendar.google.com/calendar/render?{urlencode(query)}"


def _days(start: datetime, end: datetime, zone_name: str) -> str | None:
    if end - start < _SHORTEST_DAY:
        return None
    zone = ZoneInfo(zone_name)
    days = []
    for moment in (start, end):
        day = moment.astimezone(zone).date()
        # Compared as instants: if the clocks skip midnight, the day begins at one.
        if datetime.combine(day, time.min, zone).astimezone(UTC) != moment:
            return None
        days.append(f"{day:%Y%m%d}")
    return "/".join(days)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")

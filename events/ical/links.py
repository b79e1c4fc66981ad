from datetime import UTC, datetime, time, timedelta
from urllib.parse import urlencode

from ..models import Event

# No day has fewer hours; most events are known by it not to be of whole days.
_SHORTEST_DAY = timedelta(hours=22)


def google_calendar_url(event: Event) -> str:
    """A link that offers to add the event to Google Calendar.

    An event from midnight to midnight in its zone is one of whole days, whose last is not told;
    any other has its instants, and the zone to show them in.
    """
    query = {
        "action": "TEMPLATE",
        "text": event.name,
        "dates": _days(event) or "/".join(map(_instant, (event.start_time, event.end_time))),
        "ctz": event.timezone,
        "location": event.location,
        "details": event.description[:500],
    }
    return f"https://calendar.google.com/calendar/render?{urlencode(query)}"


def _days(event: Event) -> str | None:
    if event.end_time - event.start_time < _SHORTEST_DAY:
        return None
    zone = event.zone
    days = []
    for moment in (event.start_time, event.end_time):
        day = moment.astimezone(zone).date()
        # Compared as instants: where the clocks skip midnight, the day begins at one.
        if datetime.combine(day, time.min, zone).astimezone(UTC) != moment:
            return None
        days.append(f"{day:%Y%m%d}")
    return "/".join(days)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")

"""Instants as text (ISO 8601) in a time zone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import timezone as fixed_offset
from zoneinfo import ZoneInfo

from django.utils import timezone

# UTC of requests and of the settings.
_UTC = frozenset({UTC, ZoneInfo("UTC")})


def render_instant(value: datetime, zone: tzinfo | None = None) -> str:
    """ISO 8601 with the zone's offset on that date; UTC is `Z`. The zone defaults to the request's.

    >>> render_instant(datetime(2027, 3, 15, 9, tzinfo=UTC), ZoneInfo("Asia/Kolkata"))
    '2027-03-15T14:30:00+05:30'

    Before standard time, offsets have seconds, which RFC 3339 (section 5.6) cannot express. The
    offset is then the whole minutes of the zone's, and the instant is still exact.

    >>> render_instant(datetime(1904, 2, 29, 20, 36, tzinfo=UTC), ZoneInfo("Asia/Kolkata"))
    '1904-03-01T01:57:00+05:21'
    """
    zone = zone or timezone.get_current_timezone()
    text = value.astimezone(zone).isoformat()
    if text[-9] in "+-":  # such as +05:21:10
        offset = value.astimezone(zone).utcoffset() or timedelta()
        minutes = timedelta(minutes=offset // timedelta(minutes=1))
        text = value.astimezone(fixed_offset(minutes)).isoformat()
    return text.removesuffix("+00:00") + "Z" if zone in _UTC else text


def instant_formatter() -> Callable[[datetime | None], str | None]:
    """`render_instant` for a response with many times. It looks the request's zone up once."""
    zone: tzinfo = timezone.get_current_timezone()
    if zone in _UTC:  # most responses, so without a call of `render_instant`
        return lambda value: None if value is None else value.astimezone(UTC).isoformat()[:-6] + "Z"
    return lambda value: None if value is None else render_instant(value, zone)

"""The zone that a response's times are told in: `?timezone=`, else `Time-Zone:`, else UTC."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest
from django.utils import timezone
from rest_framework import serializers

from config.errors import InvalidTimezone, ValidationFailed

from .parameters import repeated_parameter

# As requests name it, and as settings do.
_UTC = frozenset({UTC, ZoneInfo("UTC")})


@cache
def zone_names() -> frozenset[str]:
    """The IANA names that people may use."""
    return frozenset(available_timezones() - {"Factory", "localtime"})


@cache
def _zone_of(name: str) -> tzinfo:
    return UTC if name in {"UTC", "Etc/UTC"} else ZoneInfo(name)


def zone_named(name: str) -> tzinfo:
    """Raises `KeyError` when the name is not in the IANA database."""
    if name not in zone_names():
        raise KeyError(name)
    return _zone_of(name)


def requested_zone(request: HttpRequest) -> tzinfo:
    given = request.GET.getlist("timezone")
    if len(given) > 1:
        raise ValidationFailed(repeated_parameter("timezone"))
    name = given[0] if given else None
    if name is None:
        name = request.META.get("HTTP_TIME_ZONE")
    if name is None:
        return UTC
    try:
        return zone_named(name)
    except KeyError:
        raise InvalidTimezone from None


def render_instant(value: datetime, zone: tzinfo | None = None) -> str:
    """ISO 8601 with the zone's offset on that date; UTC is `Z`. The zone defaults to the request's.

    >>> render_instant(datetime(2027, 3, 15, 9, tzinfo=UTC), ZoneInfo("Asia/Kolkata"))
    '2027-03-15T14:30:00+05:30'
    """
    zone = zone or timezone.get_current_timezone()
    text = value.astimezone(zone).isoformat()
    return text.removesuffix("+00:00") + "Z" if zone in _UTC else text


def instant_teller() -> Callable[[datetime | None], str | None]:
    """`render_instant` for one answer with many times: the request's zone is looked up once."""
    zone: tzinfo = timezone.get_current_timezone()
    if zone in _UTC:  # most answers, so without what other zones need
        return lambda value: None if value is None else value.astimezone(UTC).isoformat()[:-6] + "Z"
    return lambda value: None if value is None else render_instant(value, zone)


class InstantField(serializers.DateTimeField):
    """An instant in a response, in the request's zone."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(read_only=True, **kwargs)  # type: ignore[arg-type]

    def to_representation(self, value: datetime) -> str:
        return render_instant(value)

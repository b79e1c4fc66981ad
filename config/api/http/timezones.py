"""The time zone of a response: `?timezone=`, else the header `Time-Zone`, else UTC."""

import re
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest
from rest_framework import serializers

from config.errors import InvalidTimezone, ValidationFailed

from ..bounded_cache import bounded_cache
from ..text.instants import render_instant
from .parameters import repeated_parameter


@cache
def zone_names() -> frozenset[str]:
    """The IANA names that people may use."""
    return frozenset(available_timezones() - {"Factory", "localtime"})


@cache
def _zone_of(name: str) -> tzinfo:
    return UTC if name in {"UTC", "Etc/UTC"} else ZoneInfo(name)


def zone_by_name(name: str) -> tzinfo:
    """Raises `KeyError` when the name is not in the IANA database."""
    if name not in zone_names():
        raise KeyError(name)
    return _zone_of(name)


# Common names for zones that have another one.
_OTHER_NAMES = {
    "ist": "Asia/Kolkata",
    "bengaluru": "Asia/Kolkata",
    "bangalore": "Asia/Kolkata",
    "mumbai": "Asia/Kolkata",
    "delhi": "Asia/Kolkata",
    "new_delhi": "Asia/Kolkata",
    "beijing": "Asia/Shanghai",
    "jst": "Asia/Tokyo",
    "pst": "America/Los_Angeles",
    "pdt": "America/Los_Angeles",
    "san_francisco": "America/Los_Angeles",
    "mdt": "America/Denver",
    "cst": "America/Chicago",
    "cdt": "America/Chicago",
    "edt": "America/New_York",
    "boston": "America/New_York",
    "washington": "America/New_York",
    "bst": "Europe/London",
    "munich": "Europe/Berlin",
    "hamburg": "Europe/Berlin",
    "cest": "Europe/Berlin",
    "aest": "Australia/Sydney",
    "z": "UTC",
}


@cache
def _zones_by_folded_name() -> dict[str, str]:
    """Zones by their whole name and by their city, folded."""
    zones = dict(_OTHER_NAMES)
    for name in sorted(zone_names(), key=len):
        zones.setdefault(_folded(name.rpartition("/")[2]), name)
    return zones | {_folded(name): name for name in zone_names()}


def _folded(name: str) -> str:
    return re.sub("[ -]+", "_", name.strip().casefold())


@bounded_cache(256)
def nearest_zone(name: str) -> str | None:
    """The zone that is most similar to an unknown name, or None.

    >>> nearest_zone("Berlin"), nearest_zone("europe/berlin"), nearest_zone("Asia/Kolkatta")
    ('Europe/Berlin', 'Europe/Berlin', 'Asia/Kolkata')
    """
    if len(name) > 64:
        return None
    known = _zones_by_folded_name()
    close = [_folded(name), *get_close_matches(_folded(name), known, n=1, cutoff=0.8)]
    return next((known[each] for each in close if each in known), None)


def requested_zone(request: HttpRequest) -> tzinfo:
    """Raises `ValidationFailed` and `InvalidTimezone`."""
    values = request.GET.getlist("timezone")
    if len(values) > 1:
        raise ValidationFailed(repeated_parameter("timezone"))
    name = values[0] if values else None
    if name is None:
        name = request.META.get("HTTP_TIME_ZONE")
    if name is None:
        return UTC
    try:
        return zone_by_name(name)
    except KeyError:
        suggestion = nearest_zone(name)
        raise InvalidTimezone(f"Did you mean {suggestion}?" if suggestion else "") from None


def has_requested_zone(request: HttpRequest) -> bool:
    """Whether the request names a zone. Some routes have another default than UTC."""
    return "timezone" in request.GET or "HTTP_TIME_ZONE" in request.META


class InstantField(serializers.DateTimeField):
    """An instant in a response, in the request's zone."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(read_only=True, **kwargs)  # type: ignore[arg-type]

    def to_representation(self, value: datetime) -> str:
        return render_instant(value)

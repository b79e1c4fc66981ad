"""Events near a point.

Distances are great circles on a sphere of the Earth's mean radius. The error is half a percent at
most. The database compares chords instead, straight lines through the Earth: a longer arc has a
longer chord. An index of points in space answers them, without special cases at the poles and the
date line.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q, Value
from django.db.models.lookups import LessThanOrEqual

from ..models.expressions import Box, Chord, Point, Within

if TYPE_CHECKING:
    from ..models import EventQuerySet

EARTH_RADIUS_KM = 6371.0088
DEFAULT_RADIUS_KM = 25.0
MIN_RADIUS_KM, MAX_RADIUS_KM = 0.1, 1000.0


@dataclass(frozen=True)
class Nearby:
    """Events within `radius_km` of a point, given in degrees."""

    latitude: float
    longitude: float
    radius_km: float = DEFAULT_RADIUS_KM

    @property
    def _center(self) -> Point:
        return Point(Value(self.latitude), Value(self.longitude))

    def with_chord(self, events: "EventQuerySet") -> "EventQuerySet":
        """The events that have coordinates, with `chord`: kilometres through the Earth."""
        chord = Chord(Point("latitude", "longitude"), self._center)
        return events.filter(latitude__isnull=False).annotate(chord=chord)

    @property
    def condition(self) -> Q:
        point = Point("latitude", "longitude")
        max_chord = Value(chord_km(self.radius_km))
        # The index knows boxes around a point. The corners of a box are farther than the radius.
        is_near = LessThanOrEqual(Chord(point, self._center), max_chord)
        # A difference in latitude alone may exceed the radius. Comparing it is cheaper.
        degrees = math.degrees(self.radius_km / EARTH_RADIUS_KM) + 1e-6
        south, north = self.latitude - degrees, self.latitude + degrees
        is_between = Q(latitude__range=(south, north))
        return is_between & Q(Within(point, Box(self._center, max_chord))) & Q(is_near)


def chord_km(distance: float) -> float:
    """Kilometres through the Earth between two points `distance` kilometres apart on it."""
    return 2 * EARTH_RADIUS_KM * math.sin(distance / (2 * EARTH_RADIUS_KM))


def distance_km(chord: float) -> float:
    """The inverse of `chord_km`, rounded to the metre."""
    half = min(1.0, chord / (2 * EARTH_RADIUS_KM))
    return round(2 * EARTH_RADIUS_KM * math.asin(half), 3)

"""Events near a place.

Distances are great circles on a sphere of the Earth's mean radius, which are off by half a percent
at most. The database compares straight lines through the Earth instead: they are longer where the
circle is, and an index of points in space finds them, with no poles and no date line to mind.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q, Value
from django.db.models.lookups import LessThanOrEqual

from ..models.expressions import Box, Point, StraightLine, Within

if TYPE_CHECKING:
    from ..models import EventQuerySet

EARTH_RADIUS_KM = 6371.0088
DEFAULT_RADIUS_KM = 25.0
MIN_RADIUS_KM, MAX_RADIUS_KM = 0.1, 1000.0


@dataclass(frozen=True)
class Nearby:
    """Within `radius` kilometres of a place, which is in degrees."""

    latitude: float
    longitude: float
    radius: float = DEFAULT_RADIUS_KM

    @property
    def _place(self) -> Point:
        return Point(Value(self.latitude), Value(self.longitude))

    def measured(self, events: "EventQuerySet") -> "EventQuerySet":
        """Those that have a place, with `line`, the straight line to it."""
        line = StraightLine(Point("latitude", "longitude"), self._place)
        return events.filter(latitude__isnull=False).annotate(line=line)

    @property
    def condition(self) -> Q:
        point = Point("latitude", "longitude")
        line = Value(great_circle_distance(self.radius))
        # The index knows boxes around a point; of what is in the box, the corners are too far.
        is_near = LessThanOrEqual(StraightLine(point, self._place), line)
        # So many degrees to the north or south is too far already, and sooner known than a point.
        degrees = math.degrees(self.radius / EARTH_RADIUS_KM) + 1e-6
        south, north = self.latitude - degrees, self.latitude + degrees
        is_between = Q(latitude__range=(south, north))
        return is_between & Q(Within(point, Box(self._place, line))) & Q(is_near)


def great_circle_distance(distance: float) -> float:
    """Kilometres through the Earth between places that are so many kilometres apart on it."""
    return 2 * EARTH_RADIUS_KM * math.sin(distance / (2 * EARTH_RADIUS_KM))


def distance_km(line: float) -> float:
    """The other way round, to the metre."""
    half = min(1.0, line / (2 * EARTH_RADIUS_KM))
    return round(2 * EARTH_RADIUS_KM * math.asin(half), 3)

"""Database expressions on times and coordinates."""

from django.contrib.postgres.fields import DateTimeRangeField
from django.db.models import BooleanField, FloatField, Func
from django.db.models.expressions import Combinable


class Span(Func):
    """The time range from a start to an end, without the end."""

    function = "tstzrange"
    output_field = DateTimeRangeField()


class Contains(Func):
    """Whether a span contains an instant."""

    arg_joiner = " @> "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class AnyOf(Func):
    """Whether a value is in an array. The SQL is the same for every length of the array."""

    template = "(%(expressions)s))"
    arg_joiner = " = ANY ("
    output_field = BooleanField()


class Overlaps(Func):
    """Whether two spans have an instant in common."""

    arg_joiner = " && "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class Point(Func):
    """A latitude and a longitude as a point in space, in kilometres from the Earth's centre.

    Points in space need no special cases at the poles and the date line.
    """

    function = "earth_point"
    output_field = FloatField()  # a `cube`, which the ORM has no field for


class Chord(Func):
    """Kilometres between two points, through the Earth. It grows with the distance on the Earth."""

    arg_joiner = " <-> "
    template = "(%(expressions)s)"
    output_field = FloatField()

    def __init__(self, one: Combinable, other: Combinable) -> None:
        super().__init__(one, other)


class Box(Func):
    """The box around a point, with this number of kilometres to each side."""

    function = "cube_enlarge"
    template = "%(function)s(%(expressions)s, 3)"
    output_field = FloatField()


class Within(Func):
    """Whether a point is in a box."""

    arg_joiner = " <@ "
    template = "(%(expressions)s)"
    output_field = BooleanField()

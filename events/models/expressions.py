from django.contrib.postgres.fields import DateTimeRangeField
from django.db.models import BooleanField, FloatField, Func
from django.db.models.expressions import Combinable


class Span(Func):
    """The time from a start to an end, without the end."""

    function = "tstzrange"
    output_field = DateTimeRangeField()


class Holds(Func):
    """Whether a span has a moment in it."""

    arg_joiner = " @> "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class Overlaps(Func):
    """Whether two spans have a moment in common."""

    arg_joiner = " && "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class Point(Func):
    """The point of a latitude and a longitude in space, in kilometres from the Earth's centre.

    In space there are no poles and no date line to mind.
    """

    function = "earth_point"
    output_field = FloatField()  # a `cube`, which the ORM has no field for


class StraightLine(Func):
    """Kilometres between two points, through the Earth: longer where the way on it is longer."""

    arg_joiner = " <-> "
    template = "(%(expressions)s)"
    output_field = FloatField()

    def __init__(self, one: Combinable, other: Combinable) -> None:
        super().__init__(one, other)


class Box(Func):
    """The box around a point, with so many kilometres to each side."""

    function = "cube_enlarge"
    template = "%(function)s(%(expressions)s, 3)"
    output_field = FloatField()


class Within(Func):
    """Whether a point is in a box."""

    arg_joiner = " <@ "
    template = "(%(expressions)s)"
    output_field = BooleanField()

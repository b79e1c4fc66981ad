from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, F, Func, IntegerField

SIXTEEN = 16
MOST_HALVINGS = 12


class Spread(Func):  # a migration looks for it here
    """A number from -2³¹ to 2³¹ - 1 for an id, so that any part of those is a fair sample."""

    function = "hashint8"
    output_field = IntegerField()

    def __init__(self, expression: F | str = "id") -> None:
        super().__init__(expression)


class IsSampled(Func):
    """Whether an event is one of the sixteenth of all that samples are taken from."""

    function = "hashint8"
    template = "%(function)s(%(expressions)s) & 15 = 0"
    output_field = BooleanField()

    def __init__(self, expression: F | str = "id") -> None:
        super().__init__(expression)


class Halvings(Func):
    """How often the sample can be halved until an event is not in it: once for every second one,
    twice for every second one of the others, and so on.
    """

    function = "hashint8"
    template = "position(B'1' in %(function)s(%(expressions)s)::bit(32))"
    output_field: Any = IntegerField()

    def __init__(self, expression: F | str = "id", **extra: Any) -> None:
        super().__init__(expression, **extra)


class HalvingsUpTo(Halvings):
    """All numbers up to that one: of an index of words, only equal values are quickly found."""

    numbers = ",".join(map(str, range(1, MOST_HALVINGS + 1)))
    template = f"(ARRAY[{numbers}])[:{Halvings.template}]"
    output_field: Any = ArrayField(IntegerField())


class IsLeftAfter(HalvingsUpTo):
    """Whether an event is in what is left of the sample when it is halved so often, at least once:
    said so that the index of texts knows it.
    """

    template = f"{HalvingsUpTo.template} @> ARRAY[%(number)s]"
    output_field = BooleanField()

    def __init__(self, halvings: int) -> None:
        super().__init__(number=halvings + 1)

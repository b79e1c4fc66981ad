"""The sample of events from which the counts of a search are estimated."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, F, Func, IntegerField

# One in this number of events is sampled.
SAMPLE_DIVISOR = 16
MAX_HALVINGS = 12


class Spread(Func):  # a migration imports it
    """A hash of the id, from -2³¹ to 2³¹ - 1: the ids of any range of hashes are a fair sample."""

    function = "hashint8"
    output_field = IntegerField()

    def __init__(self, expression: F | str = "id") -> None:
        super().__init__(expression)


class IsSampled(Func):
    """Whether an event is in the sample, which has one in sixteen events."""

    function = "hashint8"
    template = "%(function)s(%(expressions)s) & 15 = 0"
    output_field = BooleanField()

    def __init__(self, expression: F | str = "id") -> None:
        super().__init__(expression)


class Halvings(Func):
    """The halving of the sample that removes an event.

    The first halving removes every second event, the second one every second of the others, and so
    on.
    """

    function = "hashint8"
    template = "position(B'1' in %(function)s(%(expressions)s)::bit(32))"
    output_field: Any = IntegerField()

    def __init__(self, expression: F | str = "id", **extra: Any) -> None:
        super().__init__(expression, **extra)


class HalvingsUpTo(Halvings):
    """All numbers up to `Halvings`, for the index of texts: GIN finds equal values only."""

    numbers = ",".join(map(str, range(1, MAX_HALVINGS + 1)))
    template = f"(ARRAY[{numbers}])[:{Halvings.template}]"
    output_field: Any = ArrayField(IntegerField())


class IsInReducedSample(HalvingsUpTo):
    """Whether an event is in the sample after `halvings`, of which there is at least one.

    The index of texts answers this form of the condition.
    """

    template = f"{HalvingsUpTo.template} @> ARRAY[%(number)s]"
    output_field = BooleanField()

    def __init__(self, halvings: int) -> None:
        super().__init__(number=halvings + 1)

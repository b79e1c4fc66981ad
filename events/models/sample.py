from django.db.models import BooleanField, F, Func, IntegerField

SIXTEEN = 16


class Spread(Func):
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

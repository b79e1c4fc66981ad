"""Conversions between wall-clock times and instants. Pure: values in, values out."""

from datetime import UTC, datetime, tzinfo

from config.errors import FieldError, ValidationFailed


class NonexistentTime(ValueError):
    """The zone's clocks skip this wall-clock time."""


def instant(moment: datetime, zone: tzinfo) -> datetime:
    """The instant in UTC of a datetime. A naive one is a wall-clock time in `zone`.

    A time that occurs twice is the first of the two. Raises `NonexistentTime` for a time in a gap,
    and `OverflowError` beyond the range of datetime.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    result = moment.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if result.astimezone(zone).replace(tzinfo=None) != moment.replace(fold=0):
        raise NonexistentTime(moment)
    return result


def instant_of_field(name: str, moment: datetime, zone: tzinfo) -> datetime:
    """The instant of a value that a client sent. Raises `ValidationFailed`."""
    try:
        return instant(moment, zone)
    except NonexistentTime:
        skipped = f"The clocks in {zone} skip this time."
        raise ValidationFailed(FieldError(name, "nonexistent_time", skipped)) from None


def wall_clock(moment: datetime, zone: tzinfo) -> datetime:
    """The wall-clock time in `zone` at an instant, as a naive datetime."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def at_wall_clock(local: datetime, zone: tzinfo) -> datetime:
    """The instant in UTC of a wall-clock time in `zone`.

    A time that occurs twice is the first of the two. A time in a gap moves forward by the length of
    the gap (RFC 5545, section 3.3.5).
    """
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def same_wall_clock(moment: datetime, old: tzinfo, new: tzinfo) -> datetime:
    """The instant with the wall-clock time in `new` that `moment` has in `old`."""
    return at_wall_clock(wall_clock(moment, old), new)

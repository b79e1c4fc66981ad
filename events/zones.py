"""Wall-clock time and instants. Pure: values in, values out."""

from datetime import UTC, datetime, tzinfo


class NonexistentTime(ValueError):
    """The zone's clocks skip this wall-clock time."""


def instant(moment: datetime, zone: tzinfo) -> datetime:
    """The instant in UTC of a datetime: an aware one as it is, a naive one as wall-clock in `zone`.

    A time that occurs twice is the first of the two; one that a gap skips raises `NonexistentTime`.
    Raises `OverflowError` beyond the years that datetime can hold.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    found = moment.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) != moment.replace(fold=0):
        raise NonexistentTime(moment)
    return found


def wall_clock(moment: datetime, zone: tzinfo) -> datetime:
    """What clocks in `zone` show at an instant, naive."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def at_wall_clock(local: datetime, zone: tzinfo) -> datetime:
    """The instant in UTC at which clocks in `zone` show a naive time.

    One that occurs twice is the first of the two; one that a gap skips moves forward by the length
    of the gap, as RFC 5545 says (section 3.3.5).
    """
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def same_wall_clock(moment: datetime, old: tzinfo, new: tzinfo) -> datetime:
    """The instant at which clocks in `new` show what clocks in `old` show at `moment`."""
    return at_wall_clock(wall_clock(moment, old), new)

"""Days and times of UNTIL and EXDATE (RFC 5545, sections 3.3.4 and 3.3.5)."""

import re
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo

from ..zones import at_wall_clock, wall_clock
from .errors import InvalidRecurrence


def parse_moment(text: str) -> date | datetime:
    """A day or a time in iCalendar or ISO 8601 format. A time without an offset is naive.

    >>> parse_moment("20270322T170000Z")
    datetime.datetime(2027, 3, 22, 17, 0, tzinfo=datetime.timezone.utc)
    """
    text = text.strip().upper()
    basic = re.fullmatch(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})", text)
    try:
        if basic:
            return date(*(int(part) for part in basic.groups()))
        if re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[T ][-0-9:+.Z]{4,30}", text):
            # Without leap seconds the second 60 is the second 59 (section 3.3.12).
            text = re.sub(r"(?<=[T ])([0-9]{2}:?[0-9]{2}:?)60", r"\g<1>59", text)
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidRecurrence(
        f"{text[:40]!r} is no date such as 2027-03-22, 20270322 or 20270322T170000Z."
    )


def parse_exclusion(text: str, zone: tzinfo) -> date | datetime:
    """A day, or the instant in UTC of a time. A time without an offset is in `zone`.

    >>> parse_exclusion("20270322T180000", ZoneInfo("Europe/Berlin"))
    datetime.datetime(2027, 3, 22, 17, 0, tzinfo=datetime.timezone.utc)
    """
    return exclusion_in_zone(parse_moment(text), zone)


def exclusion_in_zone(moment: date | datetime, zone: tzinfo) -> date | datetime:
    """A day, or the instant in UTC of a time. A naive time is in `zone`.

    Raises `InvalidRecurrence` for a time beyond the calendar.
    """
    if not isinstance(moment, datetime):
        return moment
    try:
        if moment.tzinfo is None:
            return at_wall_clock(moment, zone)
        at = moment.astimezone(UTC)
        wall_clock(at, zone)
    except OverflowError as error:
        raise InvalidRecurrence(f"{moment.isoformat()!r} is beyond the calendar.") from error
    return at


def stored_exclusion(moment: date | datetime) -> str:
    """A day, or an instant in UTC, as text: `2027-03-22` or `2027-03-22T17:00:00Z`."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return moment.isoformat()


def rendered_exclusion(stored: str, zone: tzinfo) -> str:
    """A stored exclusion as wall-clock time in `zone`. A time that occurs twice has an offset."""
    moment = parse_exclusion(stored, UTC)
    if not isinstance(moment, datetime):
        return stored
    local = wall_clock(moment, zone)
    if at_wall_clock(local, zone) == moment:
        return local.isoformat()
    return moment.astimezone(zone).isoformat()


def zone_of(name: str) -> ZoneInfo:
    """The zone of a TZID. Raises `InvalidRecurrence`."""
    try:
        return ZoneInfo(name.strip('"'))
    except (KeyError, ValueError, OSError) as error:
        raise InvalidRecurrence(
            f"TZID={name[:60]} is no zone of the IANA database, such as Europe/Berlin."
        ) from error

"""The texts that clients send for a recurrence: an RRULE, and lines of EXDATE."""

from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from .errors import InvalidRecurrence
from .moments import parse_exclusion, zone_of
from .rule import Rule, parse_rule

MAX_TEXT = 2000


@dataclass(frozen=True)
class Recurrence:
    """A rule and its exclusions: nominal days, and instants in UTC."""

    rule: Rule
    excluded: frozenset[date | datetime] = frozenset()


def parse_recurrence(text: str, zone: tzinfo) -> Recurrence:
    """A rule such as `FREQ=WEEKLY;BYDAY=MO`, or lines of iCalendar: one RRULE and any EXDATE.

    Times without an offset or a TZID are wall-clock times in `zone`. Raises `InvalidRecurrence`.
    """
    if len(text) > MAX_TEXT:
        raise InvalidRecurrence(f"Use at most {MAX_TEXT} characters.")
    rule: Rule | None = None
    excluded: set[date | datetime] = set()
    for line in text.strip().splitlines():
        head, has_name, value = line.strip().partition(":")
        if not has_name:
            head, value = "RRULE", head
        name, *parameters = head.split(";")
        if name.upper() == "EXDATE":
            line_zone = _zone_in(parameters) or zone
            excluded.update(parse_exclusion(part, line_zone) for part in value.split(","))
        elif name.upper() != "RRULE":
            raise InvalidRecurrence(f"Send RRULE and EXDATE only; {name[:20]!r} is not read here.")
        elif rule is not None:
            raise InvalidRecurrence("Send one RRULE.")
        else:
            rule = parse_rule(value)
    if rule is None:
        raise InvalidRecurrence("Send a rule such as FREQ=WEEKLY;BYDAY=MO;COUNT=10.")
    return Recurrence(rule, frozenset(excluded))


def _zone_in(parameters: list[str]) -> tzinfo | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.upper() == "TZID":
            return zone_of(value)
    return None

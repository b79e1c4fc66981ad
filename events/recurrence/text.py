"""Parses the recurrence texts of clients: an RRULE, and lines of EXDATE."""

from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo

from .errors import InvalidRecurrence
from .moments import exclusion_in_zone, parse_moment, zone_of
from .rule import Rule, parse_rule

MAX_TEXT = 2000


@dataclass(frozen=True)
class Recurrence:
    """A rule and its exclusions: nominal days, instants (aware) and wall-clock times (naive)."""

    rule: Rule
    excluded: frozenset[date | datetime] = frozenset()

    def in_zone(self, zone: tzinfo) -> "Recurrence":
        """With instants in UTC for wall-clock times in `zone`. Raises `InvalidRecurrence`."""
        excluded = frozenset(exclusion_in_zone(moment, zone) for moment in self.excluded)
        return replace(self, excluded=excluded)


def parse_recurrence(text: str, zone: tzinfo | None = None) -> Recurrence:
    """A rule such as `FREQ=WEEKLY;BYDAY=MO`, or lines of iCalendar: one RRULE and any EXDATE.

    Times without an offset or a TZID are in `zone`. Without a zone they stay naive. Raises
    `InvalidRecurrence`.
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
            line_zone = _zone_in(parameters)
            moments = map(parse_moment, value.split(","))
            excluded.update(
                moment if line_zone is None else exclusion_in_zone(moment, line_zone)
                for moment in moments
            )
        elif name.upper() != "RRULE":
            raise InvalidRecurrence(f"Send RRULE and EXDATE only; {name[:20]!r} is not read here.")
        elif rule is not None:
            raise InvalidRecurrence("Send one RRULE.")
        else:
            rule = parse_rule(value)
    if rule is None:
        raise InvalidRecurrence("Send a rule such as FREQ=WEEKLY;BYDAY=MO;COUNT=10.")
    recurrence = Recurrence(rule, frozenset(excluded))
    return recurrence if zone is None else recurrence.in_zone(zone)


def _zone_in(parameters: list[str]) -> tzinfo | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.upper() == "TZID":
            return zone_of(value)
    return None

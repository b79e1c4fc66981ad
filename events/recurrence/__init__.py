"""Recurrence rules (RFC 5545, sections 3.3.10 and 3.8.5) on wall-clock time. Pure.

`rule` and `text` read what clients send, `expansion` has the wall-clock times of a rule, `schedule`
their instants and moves, `shown` the rule of a moved schedule, `matching` what a change of the rule
means for occurrences that exist.
"""

from .errors import InvalidRecurrence
from .matching import match_turns
from .moments import (
    exclusion_in_zone,
    parse_exclusion,
    parse_moment,
    shown_exclusion,
    stored_exclusion,
)
from .rule import FREQUENCIES, Rule, parse_rule
from .schedule import AHEAD, MAX_OCCURRENCES, Schedule, Turn
from .shown import shown_rule
from .text import MAX_TEXT, Recurrence, parse_recurrence

__all__ = [
    "AHEAD",
    "FREQUENCIES",
    "MAX_OCCURRENCES",
    "MAX_TEXT",
    "InvalidRecurrence",
    "Recurrence",
    "Rule",
    "Schedule",
    "Turn",
    "exclusion_in_zone",
    "match_turns",
    "parse_exclusion",
    "parse_moment",
    "parse_recurrence",
    "parse_rule",
    "shown_exclusion",
    "shown_rule",
    "stored_exclusion",
]

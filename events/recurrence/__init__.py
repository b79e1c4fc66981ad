"""Recurrence rules (RFC 5545, sections 3.3.10 and 3.8.5) on wall-clock time. Pure.

`rule`, `text` and `moments` parse texts. `expansion` computes the wall-clock times of a rule,
`schedule` their instants and moves. `moved_rules` renders the rule of a moved schedule. `matching`
assigns existing occurrences to a new rule.
"""

from .errors import InvalidRecurrence
from .matching import match_turns
from .moments import (
    exclusion_in_zone,
    parse_exclusion,
    parse_moment,
    rendered_exclusion,
    stored_exclusion,
)
from .moved_rules import rendered_rule
from .rule import FREQUENCIES, Rule, parse_rule
from .schedule import AHEAD, MAX_OCCURRENCES, Schedule, Turn
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
    "rendered_exclusion",
    "rendered_rule",
    "stored_exclusion",
]

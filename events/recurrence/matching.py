"""Which occurrence becomes which when the rule of a series changes. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from .schedule import Turn


def match_turns(
    occurrences: Sequence[datetime], coming: Iterable[Turn], passed: Iterable[Turn]
) -> list[Turn | None]:
    """The new turn of each occurrence, given by its nominal time; each turn is taken once.

    An occurrence takes the turn of its nominal time, else one of its nominal day. The others take
    those `coming` turns that are left, in order.
    """
    coming = sorted(coming)
    free = dict.fromkeys(sorted([*coming, *passed]))
    order = sorted(range(len(occurrences)), key=lambda place: occurrences[place])
    matches: list[Turn | None] = [None] * len(occurrences)

    def match_by(key: Callable[[datetime], Any]) -> None:
        turns: dict[Any, list[Turn]] = {}
        for turn in free:
            turns.setdefault(key(turn.nominal), []).append(turn)
        for place in order:
            same = turns.get(key(occurrences[place]))
            if matches[place] is None and same:
                matches[place] = turn = same.pop(0)
                del free[turn]

    match_by(lambda nominal: nominal)
    match_by(lambda nominal: nominal.date())
    left = [place for place in order if matches[place] is None]
    for place, turn in zip(left, [turn for turn in coming if turn in free], strict=False):
        matches[place] = turn
    return matches

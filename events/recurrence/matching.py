"""Assigns the occurrences of a series to the turns of a new rule. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from .schedule import Turn


def match_turns(
    occurrences: Sequence[datetime], coming: Iterable[Turn], passed: Iterable[Turn]
) -> list[Turn | None]:
    """The new turn of each occurrence, in their order. Each turn is assigned once.

    `occurrences` are nominal starts. An occurrence gets the turn of its nominal start, else one of
    its nominal day. The others get the remaining `coming` turns in order, or None.
    """
    coming = sorted(coming)
    free = dict.fromkeys(sorted([*coming, *passed]))
    order = sorted(range(len(occurrences)), key=lambda index: occurrences[index])
    matches: list[Turn | None] = [None] * len(occurrences)

    def match_by(key: Callable[[datetime], Any]) -> None:
        turns: dict[Any, list[Turn]] = {}
        for turn in free:
            turns.setdefault(key(turn.nominal), []).append(turn)
        for index in order:
            candidates = turns.get(key(occurrences[index]))
            if matches[index] is None and candidates:
                matches[index] = turn = candidates.pop(0)
                del free[turn]

    match_by(lambda nominal: nominal)
    match_by(lambda nominal: nominal.date())
    unmatched = [index for index in order if matches[index] is None]
    for index, turn in zip(unmatched, [turn for turn in coming if turn in free], strict=False):
        matches[index] = turn
    return matches

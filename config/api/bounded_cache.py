"""Answers that are remembered by a text which a client sent."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

LONGEST = 2_000  # characters

P = ParamSpec("P")
R = TypeVar("R")


def bounded_cache(
    most: int,
) -> Callable[[Callable[Concatenate[str, P], R]], Callable[Concatenate[str, P], R]]:
    """`lru_cache` by a text, and by what follows it, but for texts of more than `LONGEST`.

    A request's head may have hundreds of kilobytes. A thousand of them would be most of a small
    machine's memory.
    """

    def decorate(function: Callable[Concatenate[str, P], R]) -> Callable[Concatenate[str, P], R]:
        kept = lru_cache(maxsize=most)(function)

        @wraps(function)
        def answer(text: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
            return (kept if len(text) <= LONGEST else function)(text, *args, **kwargs)  # type: ignore[arg-type]

        return answer

    return decorate

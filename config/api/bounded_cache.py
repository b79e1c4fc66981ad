"""Caches of results by a text that a client sent."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

MAX_CACHED_LENGTH = 2_000  # characters

P = ParamSpec("P")
R = TypeVar("R")


def bounded_cache(
    max_entries: int,
) -> Callable[[Callable[Concatenate[str, P], R]], Callable[Concatenate[str, P], R]]:
    """`lru_cache` of a function whose first argument is a text.

    Results for texts of more than `MAX_CACHED_LENGTH` are not cached. The head of a request may
    have hundreds of kilobytes, and a thousand of them would fill a small machine's memory.
    """

    def decorate(function: Callable[Concatenate[str, P], R]) -> Callable[Concatenate[str, P], R]:
        cached = lru_cache(maxsize=max_entries)(function)

        @wraps(function)
        def call(text: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
            return (cached if len(text) <= MAX_CACHED_LENGTH else function)(text, *args, **kwargs)  # type: ignore[arg-type]

        return call

    return decorate

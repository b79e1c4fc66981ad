"""What a dry run would do to people, as services report it.

Most effects can be read from the rows that a dry run writes before it is rolled back. Those that
other transactions cause at the same time cannot be told apart there, so services report them.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_effects: ContextVar[Counter[str] | None] = ContextVar("effects", default=None)


@contextmanager
def collected_effects() -> Iterator[Counter[str]]:
    """The effects that services report inside, by name."""
    effects: Counter[str] = Counter()
    token = _effects.set(effects)
    try:
        yield effects
    finally:
        _effects.reset(token)


def report_effect(name: str, number: int = 1) -> None:
    """Outside of a dry run this does nothing."""
    effects = _effects.get()
    if effects is not None:
        effects[name] += number

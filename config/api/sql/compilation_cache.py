"""The cache of compiled queries."""

from collections.abc import Callable, Hashable
from typing import Any

from .row_factories import NotCompilable


class CompilationCache:
    """A bounded cache in two generations. Entries that are used often survive any flood of others.

    A full young generation becomes the old one. An old entry that is used becomes young again.
    """

    def __init__(self, max_entries: int) -> None:
        self._half = max_entries // 2
        self._new: dict[Hashable, Any] = {}
        self._old: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The entry under `key`, made where there is none. None where it is not compilable."""
        new, old = self._new, self._old  # another thread may replace both meanwhile
        if key in new:
            return new[key]
        try:
            entry = old[key] if key in old else make()
        except NotCompilable:
            entry = None
        if len(self._new) >= self._half:
            self._old, self._new = self._new, {}
        self._new[key] = entry
        return entry

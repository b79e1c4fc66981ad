"""Sentinels: what stands for the values of a position while a query is built.

They are random: a client that knew one could send it as a filter's value, and that value would be
replaced by a part of the position.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.sql import Literal

from .row_factories import NotCompilable

_NONCE = secrets.randbits(48)
_TEXT_SENTINEL = f"\ue000position {_NONCE} "
_SENTINELS: dict[type, Callable[[int], Any]] = {
    int: lambda part: (_NONCE << 8) + part,
    float: lambda part: _NONCE + part + 0.125,
    str: lambda part: f"{_TEXT_SENTINEL}{part}\ue000",
    UUID: lambda part: UUID(int=(_NONCE << 80) + part),
    datetime: lambda part: datetime(1583, 1, 1, tzinfo=UTC) + timedelta(part, microseconds=_NONCE),
    list: lambda part: [(_NONCE << 8) + part],  # of ids
}

# Stands for the id of the viewer. No position has so many parts.
VIEWER_SENTINEL = _SENTINELS[int](255)


class ParameterText(str):
    """A text of a client that stays a parameter of a prepared statement, which all texts share."""

    __slots__ = ()


def with_literal_texts(sql: str, parameters: Iterable[Any]) -> tuple[str, list[Any]]:
    """The query with its text parameters, such as a status, as literals.

    A generic plan uses a partial index, such as that of published events, only where the index's
    condition is in the SQL. Otherwise PostgreSQL plans each run anew, which takes longer than the
    run.
    """
    remaining, values = [], iter(parameters)

    def literal(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%%"
        value = next(values)
        is_given = isinstance(value, ParameterText) or has_sentinel(value)
        if isinstance(value, str) and not is_given:
            return Literal(str(value)).as_string().replace("%", "%%")
        remaining.append(value)
        return "%s"

    return re.sub("%[s%]", literal, sql), remaining


def sentinels_of(values: Sequence[Any]) -> list[Any]:
    """One for each value, of its type. Raises `NotCompilable` for other types."""
    try:
        return [_SENTINELS[type(value)](part) for part, value in enumerate(values)]
    except KeyError:
        raise NotCompilable from None


def has_sentinel(value: Any) -> bool:
    """Whether a sentinel was altered while the query was built, so that no run replaces it."""
    text = str(value)  # which also shows an id within a list
    return _TEXT_SENTINEL in text or str(VIEWER_SENTINEL) in text

"""The id of the request or job in progress. Its log lines and what it causes have it.

It is a context variable of its own. Reading one through structlog takes 9 µs, since that copies all
variables of the context. This one takes 0.05 µs.
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

import structlog

MAX_LENGTH = 128

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """Empty outside of requests and jobs, such as in a command."""
    return _request_id.get()


def set_request_id(request_id: str) -> Token[str]:
    """Returns a token for `reset_request_id`. A thread handles many requests, so each ends."""
    return _request_id.set(request_id)


def reset_request_id(token: Token[str]) -> None:
    _request_id.reset(token)


@contextmanager
def request_in_progress(request_id: str, **fields: object) -> Iterator[None]:
    """Within the block, log lines have this id and these fields."""
    token = set_request_id(request_id)
    try:
        with structlog.contextvars.bound_contextvars(**fields):
            yield
    finally:
        reset_request_id(token)


def add_request_id(
    logger: Any, method_name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A processor of structlog."""
    request_id = _request_id.get()
    if request_id:
        event["request_id"] = request_id
    return event

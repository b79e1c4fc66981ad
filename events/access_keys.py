"""The secret keys of unlisted events.

The key of an event is a signature of its id and of the number of its key, so no secret is stored.
Another number makes another key.
"""

from typing import Any

from config.api.keys import is_signature, signature

_PURPOSE = "events.key"


def key_of_event(event: Any) -> str | None:
    """The value of `?key=` that opens an unlisted event. None for a public event."""
    return _sign(event.pk, event.key_number) if event.is_unlisted else None


def key_query(event: Any) -> str:
    """What links to an event need at their end: `?key=…`, or nothing for a public event."""
    key = key_of_event(event)
    return "" if key is None else f"?key={key}"


def opens(key: str, event: Any) -> bool:
    """Whether a key opens the event. Every key does if the event is public."""
    if not event.is_unlisted:
        return True
    return is_signature(key, lambda secret: _sign(event.pk, event.key_number, secret))


def _sign(event_id: int, number: int, secret: str | None = None) -> str:
    return signature(_PURPOSE, event_id.to_bytes(8) + number.to_bytes(4), secret)

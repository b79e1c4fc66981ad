"""When a delivery that failed is attempted again."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# After each attempt. The delivery has failed after the last one.
DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
_LONGEST_WAIT = timedelta(hours=24)


def next_attempt_at(tries: int, ended_at: datetime, retry_after: str | None) -> datetime | None:
    """The time of the attempt after `tries` of them. None after the last one.

    What the receiver asks for in `Retry-After` applies if it is later, up to 24 hours.
    """
    if tries > len(DELAYS):
        return None
    delay = DELAYS[tries - 1] * random.uniform(0.8, 1.2)  # noqa: S311  # spreads them
    return ended_at + max(delay, _asked_for(retry_after, ended_at))


def _asked_for(text: str | None, now: datetime) -> timedelta:
    """`Retry-After` has seconds or a date. What is neither counts as nothing."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), _LONGEST_WAIT.total_seconds()))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return timedelta(0)
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(timedelta(0), min(until - now, _LONGEST_WAIT))

"""Counts that all server processes share, at a price that even the hottest route can pay.

Each process counts every request in its memory. What it has counted of one caller it tells the
others in steps: each time another eighth of the limit is used up (shared out among this host's
processes), with one statement. So a crowd in which everybody sends a few requests costs no
statement at all, and a flood from one caller one in dozens, until the process knows that the limit
is reached and asks nobody any more. The processes of a host let at most an eighth more pass than
they should; limits up to `EXACT_UP_TO` are told with every request and are exact. Scopes of dear
requests have token buckets instead: see `buckets`.

Redis holds the shared counts where it is configured, else an unlogged table: a write to it waits
for no disk, and its loss in a crash of the database lifts a limit for a moment.
"""

import logging
import time
from threading import Lock

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils.crypto import salted_hmac

from config.errors import RateLimited

from . import token_buckets

logger = logging.getLogger(__name__)

EXACT_UP_TO = 100
# Each request of these is a slow hash: they are let pass evenly, and not a quota at once.
EVEN_SCOPES = frozenset({"login", "signup"})
_KEPT_TALLIES = 50_000  # some ten megabytes

# A host whose clock is behind adds to the newer window.
_ADD = """
    INSERT INTO api_requestcount AS kept (caller, number, hits, expires_at)
    VALUES (%s, %s, %s, to_timestamp(%s))
    ON CONFLICT (caller) DO UPDATE SET
        hits = CASE WHEN kept.number >= EXCLUDED.number THEN kept.hits ELSE 0 END + EXCLUDED.hits,
        number = greatest(kept.number, EXCLUDED.number),
        expires_at = greatest(kept.expires_at, EXCLUDED.expires_at)
    RETURNING hits
"""


class _Tally:
    """What this process knows of one caller in one window."""

    __slots__ = ("elsewhere", "hits", "number", "told")

    def __init__(self, number: int) -> None:
        self.number = number
        self.hits = 0
        self.told = 0
        self.elsewhere = 0  # told by other processes


_tallies: dict[tuple[str, str], _Tally] = {}
_lock = Lock()


def seconds_to_wait(scope: str, caller: str) -> int:
    """Count one request of `caller`: 0 while the limit of `scope` lets it pass, else how long."""
    limit = settings.RATE_LIMITS[scope]
    if limit is None:
        return 0
    allowed, seconds = limit
    if scope in EVEN_SCOPES:
        return token_buckets.take(scope, caller, allowed, seconds)
    now = time.time()
    number = int(now // seconds)
    if _count(scope, caller, number, allowed, seconds) <= allowed:
        return 0
    return int((number + 1) * seconds - now) + 1


def check_limit(scope: str, caller: str, detail: str = "") -> None:
    """Count one request of `caller`. Raises `RateLimited`, with `Retry-After`, beyond the limit."""
    seconds = seconds_to_wait(scope, caller)
    if seconds:
        raise RateLimited(detail, headers={"Retry-After": str(seconds)})


def count_many(scope: str, caller: str, hits: int) -> int:
    """Count what one request causes many of: 0, or the seconds until more of it is allowed.

    Only what was counted before decides: an act that is larger than the whole limit passes once.
    The limit is no token bucket.
    """
    limit = settings.RATE_LIMITS[scope]
    if limit is None:
        return 0
    allowed, seconds = limit
    now = time.time()
    number = int(now // seconds)
    if _count(scope, caller, number, allowed, seconds, hits=hits) - hits < allowed:
        return 0
    return int((number + 1) * seconds - now) + 1


def forget_here() -> None:
    """Empty this process's memory, as a restart would."""
    with _lock:
        _tallies.clear()
    token_buckets.forget_here()


def forget_old_counts() -> int:
    """Delete shared counts of windows that are over; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM api_requestcount WHERE expires_at < to_timestamp(%s)",
                       [time.time()])  # fmt: skip
        return int(cursor.rowcount)


def _count(
    scope: str, caller: str, number: int, allowed: int, seconds: int, *, hits: int = 1
) -> int:
    """What was counted of this caller in this window, `hits` too, as far as is known here."""
    with _lock:
        tally = _tallies.get((scope, caller))
        if tally is None or tally.number != number:
            if len(_tallies) >= _KEPT_TALLIES:
                _make_room()
            tally = _tallies[scope, caller] = _Tally(number)
        tally.hits += hits
        known, untold = tally.hits + tally.elsewhere, tally.hits - tally.told
        if known - hits >= allowed or untold < _step(allowed):
            return known
        tally.told = tally.hits
    digest = salted_hmac("limit", f"{scope} {seconds} {caller}", algorithm="sha256").digest()
    total = _add(digest, number, untold, (number + 1) * seconds)
    with _lock:
        tally.elsewhere = max(tally.elsewhere, total - tally.told)
    return max(total, known)


def _step(allowed: int) -> int:
    """How many requests a process counts before it tells them."""
    return 1 if allowed <= EXACT_UP_TO else max(1, allowed // (8 * settings.WEB_CONCURRENCY))


def _make_room() -> None:
    """Drop the older half. A caller loses what was not told, if there are that many callers."""
    for key in list(_tallies)[: _KEPT_TALLIES // 2]:
        del _tallies[key]


def _add(digest: bytes, number: int, hits: int, expires_at: int) -> int:
    """The shared count with `hits` added; 0 when it is away, so that each process counts alone."""
    try:
        if settings.COUNTS_IN_CACHE:
            return _add_in_cache(f"limit:{digest.hex()}:{number}", hits, expires_at)
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [digest, number, hits, expires_at])
            total: int = cursor.fetchone()[0]
            return total
    except Exception:  # each store has errors of its own
        logger.exception("rate limits are counted by each process alone: the shared count is away")
        return 0


def _add_in_cache(key: str, hits: int, expires_at: int) -> int:
    try:
        return cache.incr(key, hits)
    except ValueError:  # the first of this window
        cache.add(key, 0, timeout=max(1, expires_at - int(time.time())) + 1)
        return cache.incr(key, hits)

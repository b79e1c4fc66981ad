"""Rate limits whose counts all server processes share.

Each process counts every request in its memory. It adds a caller's requests to the shared count in
steps of an eighth of the limit, divided by the number of processes, with one statement. Many
callers with a few requests each cost no statement. A flood from one caller costs one statement in
dozens of requests, and none once the limit is reached. The processes of a host pass at most an
eighth too many. Limits up to `EXACT_UP_TO` are shared with every request and are exact.
`EVEN_SCOPES` have token buckets instead: see `token_buckets`.

Redis has the shared counts where it is configured, else an unlogged table. A write to an unlogged
table needs no disk write. A crash of the database empties it, which resets the counts.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils.crypto import salted_hmac
from prometheus_client import Counter

from config.errors import RateLimited

from ..limited_log import LimitedLog
from . import token_buckets

limited_log = LimitedLog(logging.getLogger(__name__))

REJECTIONS = Counter("rate_limit_rejections", "Requests and e-mails over a rate limit.", ["scope"])

EXACT_UP_TO = 100
# These pass evenly: requests that compute a slow hash, and e-mails about the edits of an event.
EVEN_SCOPES = frozenset({"changes", "login", "signup"})
_MAX_TALLIES = 50_000  # some ten megabytes

# A host whose clock is behind adds to the newest window.
_ADD = """
    INSERT INTO api_requestcount AS stored (caller, number, hits, expires_at)
    VALUES (%s, %s, %s, to_timestamp(%s))
    ON CONFLICT (caller) DO UPDATE SET
        hits = EXCLUDED.hits
            + CASE WHEN stored.number >= EXCLUDED.number THEN stored.hits ELSE 0 END,
        number = greatest(stored.number, EXCLUDED.number),
        expires_at = greatest(stored.expires_at, EXCLUDED.expires_at)
    RETURNING hits
"""


class _Tally:
    """The counts of one caller in one window, as far as this process knows them."""

    __slots__ = ("elsewhere", "hits", "number", "shared")

    def __init__(self, number: int) -> None:
        self.number = number
        self.hits = 0
        self.shared = 0  # of `hits`, those in the shared count
        self.elsewhere = 0  # counted by other processes


_tallies: dict[tuple[str, str], _Tally] = {}
_lock = Lock()
_is_counting = ContextVar("is_counting", default=True)


@contextmanager
def without_counting() -> Iterator[None]:
    """Count and refuse nothing inside, such as in a rehearsal that is rolled back.

    A rollback does not undo the counts in this process's memory and in Redis.
    """
    token = _is_counting.set(False)
    try:
        yield
    finally:
        _is_counting.reset(token)


def seconds_to_wait(scope: str, caller: str) -> int:
    """Count one request of `caller`. 0 within the limit of `scope`, else the seconds to wait."""
    if scope not in EVEN_SCOPES:
        return count_many(scope, caller, 1)
    limit = settings.RATE_LIMITS[scope]
    if limit is None or not _is_counting.get():
        return 0
    return _rejection(scope, token_buckets.take(scope, caller, *limit))


def check_limit(scope: str, caller: str, detail: str = "") -> None:
    """Count one request of `caller`. Raises `RateLimited`, with `Retry-After`, beyond the limit."""
    seconds = seconds_to_wait(scope, caller)
    if seconds:
        raise RateLimited(detail, retry_after=seconds)


def count_many(scope: str, caller: str, hits: int) -> int:
    """Count `hits` that one request causes. 0, or the seconds until more are allowed.

    Only earlier hits count against the limit, so a request with more hits than the limit passes
    once. The scope must not have token buckets.
    """
    limit = settings.RATE_LIMITS[scope]
    if limit is None or not _is_counting.get():
        return 0
    allowed, seconds = limit
    now = time.time()
    number = int(now // seconds)
    if _count(scope, caller, number, allowed, seconds, hits=hits) - hits < allowed:
        return 0
    return _rejection(scope, int((number + 1) * seconds - now) + 1)


def _rejection(scope: str, seconds: int) -> int:
    """`seconds`, which are counted in the metrics as a rejection unless they are 0."""
    if seconds:
        REJECTIONS.labels(scope).inc()
    return seconds


def clear_local_counts() -> None:
    """Clear this process's memory, as a restart does."""
    with _lock:
        _tallies.clear()
    token_buckets.clear_local_buckets()


def delete_expired_counts() -> int:
    """Delete the shared counts of past windows; returns their number."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM api_requestcount WHERE expires_at < to_timestamp(%s)",
                       [time.time()])  # fmt: skip
        return int(cursor.rowcount)


def _count(
    scope: str, caller: str, number: int, allowed: int, seconds: int, *, hits: int = 1
) -> int:
    """The known count of this caller in this window, with `hits` added."""
    with _lock:
        tally = _tallies.pop((scope, caller), None)
        if tally is None or tally.number != number:
            if len(_tallies) >= _MAX_TALLIES:
                _evict_older_half()
            tally = _Tally(number)
        _tallies[scope, caller] = tally  # the latest used is last
        tally.hits += hits
        known, unshared = tally.hits + tally.elsewhere, tally.hits - tally.shared
        if known - hits >= allowed or unshared < _step(allowed):
            return known
        tally.shared = tally.hits
    digest = salted_hmac("limit", f"{scope} {seconds} {caller}", algorithm="sha256").digest()
    total = _add(digest, number, unshared, (number + 1) * seconds)
    with _lock:
        tally.elsewhere = max(tally.elsewhere, total - tally.shared)
    return max(total, known)


def _step(allowed: int) -> int:
    """The number of requests that a process counts before it shares them."""
    return 1 if allowed <= EXACT_UP_TO else max(1, allowed // (8 * settings.WEB_CONCURRENCY))


def _evict_older_half() -> None:
    """Evict the tallies that were used least recently. Their unshared requests are lost."""
    for key in list(_tallies)[: _MAX_TALLIES // 2]:
        del _tallies[key]


def _add(digest: bytes, number: int, hits: int, expires_at: int) -> int:
    """Add to the shared count and return it. 0 while the store fails: each process counts alone.

    Raises the error of the database within a transaction: PostgreSQL has aborted it, and would
    answer its COMMIT with a silent rollback.
    """
    try:
        if settings.COUNTS_IN_CACHE:
            return _add_in_cache(f"limit:{digest.hex()}:{number}", hits, expires_at)
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [digest, number, hits, expires_at])
            total: int = cursor.fetchone()[0]
            return total
    except Exception as error:  # each store has errors of its own
        if connection.in_atomic_block and not settings.COUNTS_IN_CACHE:
            raise
        limited_log.report("the store of rate limits failed, so counts are per process", error)
        return 0


def _add_in_cache(key: str, hits: int, expires_at: int) -> int:
    try:
        return cache.incr(key, hits)
    except ValueError:  # the first of this window
        cache.add(key, 0, timeout=max(1, expires_at - int(time.time())) + 1)
        return cache.incr(key, hits)

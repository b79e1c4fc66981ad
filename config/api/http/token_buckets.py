"""Token buckets that all server processes share, for routes with expensive requests.

A bucket has as many tokens as the limit allows and is refilled evenly over the limit's period. A
caller with an empty bucket gets one request per share of the period. Unlike a fixed window, a
bucket never grants a second burst when a window begins.

One number is stored for each caller: the time at which the bucket is full again, in microseconds
since 1970. A request adds its share to this time. It is refused if the sum is more than one period
ahead (the generic cell rate algorithm). Reading, comparing and writing are one statement of
PostgreSQL or one script of Redis. Each process caches the numbers, so that a refusal needs no
access to the store.
"""

import logging
import time
from math import ceil
from threading import Lock
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils.crypto import salted_hmac

from ..limited_log import LimitedLog

limited_log = LimitedLog(logging.getLogger(__name__))

MICROSECONDS = 1_000_000
_MAX_BUCKETS = 50_000

# `hits` is 1 where the request passes.
_TAKE = """
    INSERT INTO api_requestcount AS stored (caller, number, hits, expires_at)
    VALUES (%(caller)s, %(now)s + %(share)s, 1, to_timestamp(%(expires_at)s))
    ON CONFLICT (caller) DO UPDATE SET
        hits = (greatest(stored.number, %(now)s) + %(share)s <= %(now)s + %(period)s)::int,
        number = CASE WHEN greatest(stored.number, %(now)s) + %(share)s <= %(now)s + %(period)s
            THEN greatest(stored.number, %(now)s) + %(share)s ELSE stored.number END,
        expires_at = greatest(stored.expires_at, EXCLUDED.expires_at)
    RETURNING number, hits
"""

# Lua has 53 bits for whole numbers; microseconds need them until the year 2255.
_SCRIPT = """
    local now, share, period = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
    local full_at = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
    local next_full_at = math.max(full_at, now) + share
    if next_full_at > now + period then
        return {string.format('%.0f', full_at), 0}
    end
    local expires_in = math.ceil(period / 1000) + 1000
    redis.call('SET', KEYS[1], string.format('%.0f', next_full_at), 'PX', expires_in)
    return {string.format('%.0f', next_full_at), 1}
"""

_full_at: dict[tuple[str, str, int, int], int] = {}
_lock = Lock()


def take(scope: str, caller: str, allowed: int, seconds: int) -> int:
    """Take one token from the caller's bucket. 0, or the seconds until the next token."""
    now = int(time.time() * MICROSECONDS)
    period = seconds * MICROSECONDS
    share = max(1, period // allowed)
    key = (scope, caller, allowed, seconds)
    with _lock:
        known = _full_at.get(key, now)
    if wait := _wait(known, now, share, period):
        return wait
    full_at, passes = _take_shared(key, now, share, period)
    with _lock:
        if len(_full_at) >= _MAX_BUCKETS:
            _evict_older_half()
        full_at = max(full_at, _full_at.pop(key, 0))
        _full_at[key] = full_at  # the latest used is last
    return 0 if passes else max(1, _wait(full_at, now, share, period))


def clear_local_buckets() -> None:
    """Clear this process's memory, as a restart does."""
    with _lock:
        _full_at.clear()


def _wait(full_at: int, now: int, share: int, period: int) -> int:
    """Seconds until a request passes; 0 where one does now."""
    return max(0, ceil((max(full_at, now) + share - period - now) / MICROSECONDS))


def _evict_older_half() -> None:
    """Evict the older half of the cached numbers. The shared ones stay."""
    for key in list(_full_at)[: _MAX_BUCKETS // 2]:
        del _full_at[key]


def _take_shared(
    key: tuple[str, str, int, int], now: int, share: int, period: int
) -> tuple[int, bool]:
    """The time at which the bucket is full again, and whether the request passes.

    Raises the error of the database within a transaction, which PostgreSQL has aborted.
    """
    scope, caller, allowed, seconds = key
    text = f"{scope} {allowed}/{seconds} {caller}"
    digest = salted_hmac("bucket", text, algorithm="sha256").digest()
    try:
        if settings.COUNTS_IN_CACHE:
            return _take_in_redis(digest, now, share, period)
        return _take_in_table(digest, now, share, period)
    except Exception as error:  # each store has errors of its own
        if connection.in_atomic_block and not settings.COUNTS_IN_CACHE:
            raise
        limited_log.report("the store of rate limits failed, so counts are per process", error)
        with _lock:
            return max(_full_at.get(key, now), now) + share, True


def _take_in_table(digest: bytes, now: int, share: int, period: int) -> tuple[int, bool]:
    parameters: dict[str, Any] = {
        "caller": digest,
        "now": now,
        "share": share,
        "period": period,
        "expires_at": (now + period) / MICROSECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, parameters)
        full_at, passes = cursor.fetchone()
    return full_at, bool(passes)


def _take_in_redis(digest: bytes, now: int, share: int, period: int) -> tuple[int, bool]:
    store: Any = cache
    name = store.make_and_validate_key(f"bucket:{digest.hex()}")
    client = store._cache.get_client(name, write=True)  # Django's cache API has no scripts
    full_at, passes = client.eval(_SCRIPT, 1, name, now, share, period)
    return int(full_at), bool(passes)

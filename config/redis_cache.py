"""Django's Redis cache with short time limits and a circuit breaker.

Redis stores only counts and cached copies. Without it, counts are per process. So no request blocks
for long on a Redis that is frozen or unreachable.
"""

from threading import Lock
from time import monotonic
from typing import Any

from django.core.cache.backends import redis as django_redis
from redis import ConnectionError as RedisConnectionError
from redis import Redis, ResponseError
from redis import TimeoutError as RedisTimeoutError
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_SECONDS = 0.2
# After a failure Redis is not used for so long.
OPEN_SECONDS = 5.0


class CircuitBreaker:
    """Open after a failure, for `OPEN_SECONDS`. Then one command tries."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._retry_at: float | None = None  # None while Redis responds

    def begin(self) -> None:
        """Raises redis's `ConnectionError` while the breaker is open."""
        with self._lock:
            if self._retry_at is None:
                return
            now = monotonic()
            if now < self._retry_at:
                raise RedisConnectionError("Redis has failed and is not used for some seconds")
            self._retry_at = now + OPEN_SECONDS

    def succeed(self) -> None:
        self._retry_at = None

    def fail(self) -> None:
        self._retry_at = monotonic() + OPEN_SECONDS


class BreakingClient(Redis):
    """A client whose commands fail at once while the breaker of this process is open."""

    breaker = CircuitBreaker()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self.breaker.begin()
        try:
            response = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except (RedisConnectionError, RedisTimeoutError):
            self.breaker.fail()
            raise
        except ResponseError:  # which is a response
            self.breaker.succeed()
            raise
        self.breaker.succeed()
        return response


class LimitedCacheClient(django_redis.RedisCacheClient):
    def __init__(self, servers: list[str], **options: Any) -> None:
        limits = {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        }
        super().__init__(servers, **{**limits, **options})
        self._client = BreakingClient


class RedisCache(django_redis.RedisCache):
    def __init__(self, server: str | list[str], params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = LimitedCacheClient

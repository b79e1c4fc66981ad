"""A Redis that is away or frozen delays no request."""

import socket
from collections.abc import Iterator

import pytest
import redis
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from config import ops, redis_cache
from config.api.http import rate_limits
from config.redis_cache import OPEN_SECONDS, BreakingClient, CircuitBreaker
from events.tests.factories import EventFactory


@pytest.fixture
def frozen() -> Iterator[socket.socket]:
    """A listening socket: the kernel accepts connections, and nothing answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.fixture
def frozen_cache(frozen, settings, monkeypatch) -> Iterator[BaseCache]:
    monkeypatch.setattr(BreakingClient, "breaker", CircuitBreaker())
    settings.CACHES = {
        **settings.CACHES,
        "redis": {
            "BACKEND": "config.redis_cache.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{frozen.getsockname()[1]}/0",
        },
    }
    yield caches["redis"]
    caches["redis"]._cache._get_connection_pool(write=True).disconnect()


def connections_to(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_frozen_redis_is_not_used_again_for_some_seconds(frozen, frozen_cache, monkeypatch):
    now = 100.0
    monkeypatch.setattr(redis_cache, "monotonic", lambda: now)

    with pytest.raises(redis.TimeoutError):
        frozen_cache.get("key")
    for _ in range(3):
        with pytest.raises(redis.ConnectionError, match="is not used for some seconds"):
            frozen_cache.get("key")
    assert connections_to(frozen) == 1

    now += OPEN_SECONDS
    with pytest.raises(redis.TimeoutError):
        frozen_cache.get("key")
    assert connections_to(frozen) == 1


def test_breaker_closes_when_redis_responds():
    breaker = CircuitBreaker()
    breaker.fail()
    with pytest.raises(redis.ConnectionError):
        breaker.begin()

    breaker.succeed()

    breaker.begin()


@pytest.mark.django_db
def test_requests_succeed_with_a_frozen_redis(frozen_cache, anyone, settings, monkeypatch):
    monkeypatch.setattr(rate_limits, "cache", frozen_cache)
    settings.COUNTS_IN_CACHE = True
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (1, 3600)}
    path = f"/api/events/{EventFactory().pk}/register/"

    statuses = [
        anyone.post(path, {"name": "A", "email": f"{number}@example.com"}).status_code
        for number in range(2)
    ]

    assert statuses == [201, 429]  # counted by this process


@pytest.mark.django_db
def test_readyz_reports_a_frozen_redis(frozen_cache, client, monkeypatch):
    ops._readiness.clear()
    monkeypatch.setattr(ops, "cache", frozen_cache)

    response = client.get("/readyz")

    ops._readiness.clear()
    assert response.status_code == 200
    assert response.json()["checks"]["cache"] == "degraded: failed: TimeoutError"

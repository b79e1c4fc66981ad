"""Endpoints for operations: liveness, readiness and metrics."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from accounts.notifications import outbox
from config.api.http.negotiation import to_json
from config.api.http.throttling import client_address
from config.api.sql.watched_connection import blocking_for
from config.database_metrics import DatabaseMetrics, oldest_job_seconds
from config.metrics import metrics_response
from registrations.services.answer_tallies import oldest_uncounted_seconds

T = TypeVar("T")

OK = "ok"
READINESS_SECONDS = 2.0
# For one statement of a check. A database that takes longer is not ready.
STATEMENT_SECONDS = 2.0

# A job that is due for longer has no worker.
MAX_TASK_LAG_SECONDS = 300


def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: the process responds."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness of this process: 200, or 503 where it cannot write to the database.

    The cache, the worker, the mailer and their queues are reported too. Without them the status is
    `degraded`, with 200: other processes would lack them as well. The result is cached for
    `READINESS_SECONDS`, so that a flood of requests costs little.
    """
    status, body = _readiness.value()
    return HttpResponse(body, "application/json", status)


def _check_parts() -> tuple[int, bytes]:
    own = {"database": _result(_check_database)}
    if own["database"] == OK:
        own["migrations"] = _result(_check_migrations)
    is_ready = set(own.values()) == {OK}
    others = {"cache": _result(_check_cache)}
    if is_ready:
        others |= {"worker": _result(_check_worker), "mailer": _result(_check_mailer)}
    is_degraded = set(others.values()) != {OK}
    document = {
        "status": "not ready" if not is_ready else "degraded" if is_degraded else OK,
        "checks": own | {name: _degraded(result) for name, result in others.items()},
        "lag_seconds": _lags() if is_ready else {},
    }
    return 200 if is_ready else 503, to_json(document)


def _result(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:  # noqa: BLE001  # any exception means that the part is away
        return f"failed: {type(error).__name__}"


def _degraded(result: str) -> str:
    return result if result == OK else f"degraded: {result}"


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics, for the networks in METRICS_NETWORKS.

    Not for requests that a proxy forwards while none is configured: the address is then that of the
    proxy, often of this machine.
    """
    if not settings.TRUSTED_PROXIES and "X-Forwarded-For" in request.headers:
        raise Http404
    address = ip_address(client_address(request) or "0.0.0.0")  # noqa: S104  # nosec  # matches none
    if not any(address in network for network in settings.METRICS_NETWORKS):
        raise Http404
    response = metrics_response()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DatabaseMetrics())
    registry.register(_CacheMetrics())
    response.content += generate_latest(registry)
    return response


class _CacheMetrics(Collector):
    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("cache_up", "Whether the cache works.", _result(_check_cache) == OK)


def _check_database() -> str:
    with blocking_for(connection, STATEMENT_SECONDS), connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        (is_read_only,) = cursor.fetchone()
    if is_read_only == "on":
        connection.errors_occurred = True  # So it is replaced, perhaps by one to a new primary.
        return "read-only"
    return OK


def _check_migrations() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(plan)} not applied" if plan else OK


def _check_cache() -> str:
    cache.set("readyz", 1, timeout=5)
    return OK if cache.get("readyz") == 1 else "lost a value"


def _check_worker() -> str:
    if (lag := oldest_job_seconds()) >= MAX_TASK_LAG_SECONDS:
        return f"a job has been due for {int(lag)} s"
    # The worker itself queues the job that counts them, so without a worker none is due.
    if (lag := oldest_uncounted_seconds()) >= MAX_TASK_LAG_SECONDS:
        return f"answers have not been counted for {int(lag)} s"
    return OK


def _check_mailer() -> str:
    lag = outbox.oldest_seconds()
    if lag < MAX_TASK_LAG_SECONDS:
        return OK
    mailers = len(outbox.mailers.running())
    return f"a notification has been due for {int(lag)} s, mailers: {mailers}"


def _lags() -> dict[str, int]:
    """The age of the oldest due job and notification, in seconds. Empty without a database."""
    with suppress(DatabaseError):
        return {"jobs": int(oldest_job_seconds()), "notifications": int(outbox.oldest_seconds())}
    return {}


class Recent(Generic[T]):
    """A value that is computed again once it is older than `seconds`, by one thread at a time.

    Other threads block meanwhile. The age is that of the monotonic clock.
    """

    def __init__(self, make: Callable[[], T], *, seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._lock = Lock()
        self._last: tuple[float, T] | None = None

    def value(self) -> T:
        with self._lock:
            if self._last is None or monotonic() - self._last[0] >= self._seconds:
                self._last = None
                self._last = (monotonic(), self._make())
            return self._last[1]

    def clear(self) -> None:
        self._last = None


_readiness = Recent(_check_parts, seconds=READINESS_SECONDS)

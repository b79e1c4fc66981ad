"""Endpoints for operations: liveness, readiness and metrics."""

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CollectorRegistry, generate_latest

from accounts.notifications import outbox
from config.api.http.throttling import client_address
from config.database_metrics import DatabaseMetrics, oldest_job_seconds
from config.metrics import metrics_response

T = TypeVar("T")

READINESS_SECONDS = 2.0

# A job that is due for longer has no worker.
MAX_TASK_LAG_SECONDS = 300


def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: the process responds."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness: 200, or 503 with the failed checks.

    The result is cached for `READINESS_SECONDS`, so that a flood of requests costs little.
    """
    status, body = _readiness.value()
    return HttpResponse(body, "application/json", status)


def _check_parts() -> tuple[int, bytes]:
    checks = {}
    for name, check in (
        ("database", _check_database),
        ("migrations", _check_migrations),
        ("cache", _check_cache),
        ("tasks", _check_tasks),
    ):
        try:
            checks[name] = check()
        except Exception as error:  # noqa: BLE001  # any exception means that the part is not ready
            checks[name] = f"failed: {type(error).__name__}"
    is_ready = all(result == "ok" for result in checks.values())
    response = JsonResponse(
        {"status": "ok" if is_ready else "not ready", "checks": checks, "lag_seconds": _lags()},
        status=200 if is_ready else 503,
    )
    return response.status_code, response.content


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
    response.content += generate_latest(registry)
    return response


def _check_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _check_migrations() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(plan)} not applied" if plan else "ok"


def _check_cache() -> str:
    cache.set("readyz", 1, timeout=5)
    return "ok" if cache.get("readyz") == 1 else "lost a value"


def _check_tasks() -> str:
    job_lag = oldest_job_seconds()
    if job_lag >= MAX_TASK_LAG_SECONDS:
        return f"a job has waited {int(job_lag)} s"
    lag = outbox.oldest_seconds()
    # With a running mailer the queue is only long, which removing a web process would not help.
    if lag >= MAX_TASK_LAG_SECONDS and not outbox.living():
        return f"a notification has waited {int(lag)} s and no mailer runs"
    return "ok"


def _lags() -> dict[str, int]:
    """The age of the oldest due job and notification, in seconds. Empty without a database."""
    with suppress(AnyDatabaseError):
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

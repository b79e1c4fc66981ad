"""Addresses for those who run the service: is it alive, is it ready, how is it doing."""

from ipaddress import ip_address

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from config.api.throttling import client_address
from config.metrics import metrics_response

# A job that waits longer than this has no worker to do it.
MAX_TASK_LAG_SECONDS = 300


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Whether requests may be sent here: 200, or 503 with what is wrong."""
    checks = {}
    for name, check in (
        ("database", _check_database),
        ("migrations", _check_migrations),
        ("cache", _check_cache),
        ("tasks", _check_tasks),
    ):
        try:
            checks[name] = check()
        except Exception as error:  # noqa: BLE001  # whatever fails, this part is not ready
            checks[name] = f"failed: {type(error).__name__}"
    is_ready = all(result == "ok" for result in checks.values())
    return JsonResponse(
        {"status": "ok" if is_ready else "not ready", "checks": checks},
        status=200 if is_ready else 503,
    )


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics, for the networks in METRICS_NETWORKS."""
    address = ip_address(client_address(request) or "0.0.0.0")  # noqa: S104  # matches no network
    if not any(address in network for network in settings.METRICS_NETWORKS):
        raise Http404
    return metrics_response()


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
    waiting = ProcrastinateJob.objects.filter(status="todo").exclude(
        scheduled_at__gt=timezone.now()
    )
    oldest = waiting.order_by("id").values_list("procrastinateevent__at", flat=True).first()
    if oldest is None:
        return "ok"
    lag = (timezone.now() - oldest).total_seconds()
    return "ok" if lag < MAX_TASK_LAG_SECONDS else f"a job has waited {int(lag)} s"

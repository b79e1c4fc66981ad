"""Metrics of requests: their number and duration by route."""

import os
from collections.abc import Callable
from functools import cache
from time import perf_counter

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

REQUESTS = Counter("http_requests", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram("http_request_seconds", "Time to an answer.", ["method", "route"])


@cache
def _meters(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The meters of a label, cached since the lookup takes longer than the count."""
    return REQUESTS.labels(method, route, status), SECONDS.labels(method, route)


class MetricsMiddleware:
    """Counts and times each request by its route's pattern, so that ids create no new series."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = perf_counter()
        response = self.get_response(request)
        method = request.method if request.method in _METHODS else "other"
        match = request.resolver_match
        route = match.route if match else "none"
        count_request(str(method), route, response.status_code, perf_counter() - started)
        return response


def count_request(method: str, route: str, status: int, duration_seconds: float) -> None:
    requests, seconds = _meters(method, route, status)
    requests.inc()
    seconds.observe(duration_seconds)


def metrics_response() -> HttpResponse:
    """In Prometheus's text format, for all processes that share PROMETHEUS_MULTIPROC_DIR."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

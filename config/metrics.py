"""Metrics, access lines and spans of requests."""

import logging
import os
from collections.abc import Callable
from functools import cache
from time import perf_counter

from django.conf import settings
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

from config import tracing

access_logger = logging.getLogger("access")

PROBES = {"healthz", "readyz"}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

# The most frequent requests take about a millisecond. Uploads and exports take seconds.
_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip

REQUESTS = Counter("http_requests", "Responses.", ["method", "route", "status"])
SECONDS = Histogram(
    "http_request_seconds", "Seconds until a response.", ["method", "route"], buckets=_BUCKETS
)


@cache
def _meters(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The meters of a label, cached since the lookup takes longer than the count."""
    return REQUESTS.labels(method, route, status), SECONDS.labels(method, route)


class MetricsMiddleware:
    """Reports each request by its route's pattern, so that ids create no new series."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = perf_counter()
        response = self.get_response(request)
        report_request(
            str(request.method),
            _route_of(request),
            response.status_code,
            perf_counter() - started,
            request_id=response.headers.get("X-Request-ID", ""),
            traceparent=request.META.get("HTTP_TRACEPARENT", ""),
        )
        return response


def _route_of(request: HttpRequest) -> str:
    if request.resolver_match:
        return request.resolver_match.route
    if request.path_info.startswith(settings.STATIC_URL):
        return "static"
    name = request.path_info.strip("/")
    return name if name in PROBES else "none"


def report_request(
    method: str,
    route: str,
    status: int,
    duration_seconds: float,
    *,
    request_id: str,
    traceparent: str = "",
) -> None:
    """Count a response, log its access line and record its span, where the settings say so.

    Probes have no access line. The line has no address, no query and no path, since paths have
    tokens of links.
    """
    if method not in _METHODS:
        method = "other"
    if settings.METRICS_NETWORKS:
        requests, seconds = _meters(method, route, status)
        requests.inc()
        seconds.observe(duration_seconds)
    if settings.ACCESS_LOG and route not in PROBES:
        access_logger.info(
            "%s %s",
            method,
            route,
            extra={
                "request_id": request_id,
                "method": method,
                "route": route,
                "status": status,
                "ms": round(duration_seconds * 1000, 1),
            },
        )
    if tracing.is_on():
        tracing.record_span(
            method,
            route,
            status,
            duration_seconds,
            request_id=request_id,
            traceparent=traceparent,
        )


def forget_process(pid: int) -> None:
    """Drop the gauges of a process that has ended."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def metrics_response() -> HttpResponse:
    """In Prometheus's text format, for all processes that share PROMETHEUS_MULTIPROC_DIR."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

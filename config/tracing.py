"""A span for each response, sent by OTLP, if `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

The names of the attributes are those of OpenTelemetry's conventions for HTTP. There is no address,
path or query, since these have personal data and tokens. The other variables of OpenTelemetry, such
as `OTEL_TRACES_SAMPLER` and `OTEL_SERVICE_NAME`, apply as well.
"""

import os
import time
from typing import Any

from django.core.exceptions import ImproperlyConfigured

_MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT must be unset, or run: pip install -r requirements-monitoring.txt"
)
_SERVER_ERROR = 500

_tracer: Any = None


def start(service: str, release: str) -> None:
    """Send spans from this process. Raises `ImproperlyConfigured` without the packages."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
    except ImportError as error:
        raise ImproperlyConfigured(_MISSING) from error
    start_with(OTLPSpanExporter(), service, release)


def start_with(exporter: Any, service: str, release: str) -> Any:
    """Returns the provider, whose `shutdown` sends what is left. It runs at exit as well."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # an optional package
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    global _tracer  # noqa: PLW0603  # one for each process
    attributes = {"service.version": release} if release else {}
    if "OTEL_SERVICE_NAME" not in os.environ:
        attributes["service.name"] = service
    provider = TracerProvider(resource=Resource.create(attributes))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("events")
    return provider


def is_on() -> bool:
    return _tracer is not None


def record_span(
    method: str,
    route: str,
    status: int,
    duration_seconds: float,
    *,
    request_id: str,
    traceparent: str,
) -> None:
    """Record a response that has just been made. `traceparent` is the header (W3C), or empty."""
    from opentelemetry import propagate  # noqa: PLC0415  # an optional package
    from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415

    ended = time.time_ns()
    span = _tracer.start_span(
        f"{method} {route}",
        context=propagate.extract({"traceparent": traceparent}) if traceparent else None,
        kind=SpanKind.SERVER,
        start_time=ended - int(duration_seconds * 1e9),
        attributes={
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "http.response.header.x-request-id": [request_id],
        },
    )
    if status >= _SERVER_ERROR:
        span.set_status(StatusCode.ERROR)
    span.end(ended)

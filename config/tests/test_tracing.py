"""A span for each response, by OTLP, without personal data."""

import sys
from collections.abc import Iterator

import pytest
from django.core.exceptions import ImproperlyConfigured
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config import tracing
from config.tests.sink import sink
from config.tests.test_fast_path import fast

pytestmark = pytest.mark.django_db

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"X-Request-ID": "one", "traceparent": f"00-{TRACE}-{PARENT}-01"}


@pytest.fixture
def spans(monkeypatch) -> Iterator[InMemorySpanExporter]:
    monkeypatch.setattr(tracing, "_tracer", None)
    exporter = InMemorySpanExporter()
    exporter.provider = tracing.start_with(exporter, "events-web", "2f3a9c1")
    yield exporter
    exporter.provider.shutdown()


@pytest.mark.parametrize("is_fast", [True, False])
def test_span_has_route_and_status_and_no_personal_data(client, spans, is_fast):
    path = "/api/events/?page_size=5"
    if is_fast:
        fast("GET", path, **HEADERS)
    else:
        client.get(path, headers=HEADERS)
    spans.provider.force_flush()

    (span,) = spans.get_finished_spans()
    assert span.name == "GET api/events/"
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "http.route": "api/events/",
        "http.response.status_code": 200,
        "http.response.header.x-request-id": ("one",),
    }
    assert span.start_time <= span.end_time
    assert span.resource.attributes["service.name"] == "events-web"
    assert span.resource.attributes["service.version"] == "2f3a9c1"


def test_span_continues_the_trace_of_the_caller(client, spans):
    client.get("/api/categories/", headers=HEADERS)
    spans.provider.force_flush()

    (span,) = spans.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT


@pytest.mark.parametrize("traceparent", ["nonsense", "00-0-0-00", "\x00"])
def test_invalid_traceparent_begins_a_new_trace(client, spans, traceparent):
    response = client.get("/api/categories/", headers={"traceparent": traceparent})
    spans.provider.force_flush()

    (span,) = spans.get_finished_spans()
    assert response.status_code == 200
    assert span.parent is None


def test_spans_are_sent_by_otlp(client, monkeypatch):
    monkeypatch.setattr(tracing, "_tracer", None)
    with sink() as server:
        address = f"http://127.0.0.1:{server.server_port}/v1/traces"
        provider = tracing.start_with(OTLPSpanExporter(address), "events-web", "")
        client.get("/api/events/404404/")
        provider.shutdown()
        path, body = server.body()

    request = ExportTraceServiceRequest.FromString(body)
    [span] = request.resource_spans[0].scope_spans[0].spans
    assert (path, span.name) == ("/v1/traces", "GET api/events/<id:pk>/")


def test_nothing_is_recorded_by_default():
    assert not tracing.is_on()


def test_missing_package_stops_the_start_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with pytest.raises(ImproperlyConfigured, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT must .* install"):
        tracing.start("events-web", "")

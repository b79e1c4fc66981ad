"""The OpenAPI document, Swagger UI and ReDoc, without outside hosts or inline scripts."""
# mypy: disable-error-code="no-untyped-call"
# drf-spectacular's generator and renderers have no types.

import gzip
import threading
from functools import cache
from typing import Any, cast

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from config.api.http.compression import accepts_gzip
from config.api.http.conditional import etag_of
from config.api.http.exception_handler import problem_response, to_domain_error
from config.api.http.negotiation import to_json
from config.api.openapi.postman import postman_collection
from config.api.views import ApiView
from config.built_document import store_document, stored_document

# Both use inline styles. ReDoc also searches in a worker that it creates from a blob.
_DOCS_POLICY: dict[str, Any] = {
    "style-src": [SELF, UNSAFE_INLINE],
    "worker-src": [SELF, "blob:"],
}

_MEDIA_TYPES = {
    "yaml": "application/vnd.oai.openapi",
    "json": "application/vnd.oai.openapi+json",
}
_generating = threading.Lock()


@cache
def _document() -> dict[str, Any]:
    return stored_document() or _generated_document()


def _generated_document() -> dict[str, Any]:
    return cast("dict[str, Any]", SchemaGenerator().get_schema(request=None, public=True))


def build_document() -> None:
    """Store the document for the processes of this code. It takes 0.3 s if it is not stored yet."""
    store_document(_generated_document)


@cache
def openapi_document(format: str) -> bytes:
    """The document as `yaml` or `json`. It depends on the code alone, so it is cached."""
    with _generating:  # otherwise each of the first requests of a process generates it
        document = _document()
    if format == "json":
        return to_json(document)
    return cast("bytes", OpenApiYamlRenderer().render(document))


@cache
def _compressed_document(format: str) -> bytes:
    return gzip.compress(openapi_document(format), mtime=0)


def prepare_document() -> None:
    """Read or generate the JSON document in a thread before the first request."""
    threading.Thread(target=_compressed_document, args=("json",), daemon=True).start()


def _format_of(request: HttpRequest) -> str:
    """`?format=`, else the type that `Accept` names, else JSON."""
    accepted = request.headers.get("Accept", "")
    prefers_yaml = "json" not in accepted and ("yaml" in accepted or "openapi" in accepted)
    return request.GET.get("format", "yaml" if prefers_yaml else "json")


def _media_type_of(name: str, request: HttpRequest) -> str:
    if name == "json" and "application/json" in request.headers.get("Accept", ""):
        return "application/json"
    return f"{_MEDIA_TYPES[name]}; charset=utf-8"


class SchemaView(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None
    formats = tuple(_MEDIA_TYPES)
    media_types = (
        "application/vnd.oai.openapi",
        "application/vnd.oai.openapi+json",
        "application/yaml",
        "text/yaml",
    )

    def get(self, request: Request) -> HttpResponse:
        name, is_gzip = _format_of(request._request), _accepts_gzip(request._request)
        body = _compressed_document(name) if is_gzip else openapi_document(name)
        content_type = _media_type_of(name, request._request)
        disposition = f'inline; filename="openapi.{name}"'
        return _file(request._request, body, content_type, disposition, is_gzip=is_gzip)


def _accepts_gzip(request: HttpRequest) -> bool:
    return accepts_gzip(request.META.get("HTTP_ACCEPT_ENCODING", ""))


def _file(
    request: HttpRequest, body: bytes, content_type: str, disposition: str, *, is_gzip: bool
) -> HttpResponse:
    """The file, or 304 for a client that has it."""
    etag = etag_of(body)
    headers = {"Content-Disposition": disposition, "ETag": etag, "Vary": "Accept-Encoding"}
    response = HttpResponse(body, content_type=content_type, headers=headers)
    if is_gzip:
        response["Content-Encoding"] = "gzip"
    return get_conditional_response(request, etag, response=response) or response


@require_safe
def postman(request: HttpRequest) -> HttpResponse:
    """The collection for the host that was asked."""
    base = request.build_absolute_uri("/").removesuffix("/")
    with _generating:
        document = _document()
    body, is_gzip = to_json(postman_collection(document, base)), _accepts_gzip(request)
    if is_gzip:
        body = gzip.compress(body, mtime=0)
    disposition = 'attachment; filename="event-management-api.postman_collection.json"'
    response = _file(request, body, "application/json", disposition, is_gzip=is_gzip)
    response["Cache-Control"] = "no-cache"
    return response


class PageWithProblems(APIView):
    """A page whose errors are problem documents, like all errors below /api/."""

    authentication_classes = ()
    permission_classes = ()

    def handle_exception(self, exc: Exception) -> Any:
        return problem_response(to_domain_error(exc))

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})


@method_decorator(csp_update(_DOCS_POLICY), name="dispatch")
class SwaggerView(PageWithProblems, SpectacularSwaggerSplitView):
    media_types = ("text/html", "application/javascript")
    template_name = "swagger.html"
    template_name_js = "swagger_start.js"


@method_decorator(csp_update(_DOCS_POLICY), name="dispatch")
class RedocView(PageWithProblems, SpectacularRedocView):
    media_types = ("text/html",)
    template_name = "redoc.html"

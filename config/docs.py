"""The OpenAPI document, Swagger UI and ReDoc, from this server alone: no outside host, no inline
script."""
# mypy: disable-error-code="no-untyped-call"
# drf-spectacular's generator and renderers have no types.

from functools import cache
from typing import Any, cast

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.decorators import method_decorator
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from config.api.conditional import etag_of
from config.api.errors import problem_response, to_domain_error
from config.api.views import ApiView

# Both draw with inline styles; ReDoc also searches in a worker that it makes from a blob.
_DRAWS_ITSELF: dict[str, Any] = {
    "style-src": [SELF, UNSAFE_INLINE],
    "worker-src": [SELF, "blob:"],
}

_RENDERERS = {"yaml": OpenApiYamlRenderer, "json": OpenApiJsonRenderer}


@cache
def openapi_document(format: str) -> bytes:
    """The document as `yaml` or `json`. It depends on the code alone, so it is made once."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    return cast("bytes", _RENDERERS[format]().render(document, renderer_context={}))


def _format_of(request: HttpRequest) -> str:
    """`?format=`, else what `Accept` names, else JSON, as everywhere in the API."""
    accepted = request.headers.get("Accept", "")
    wants_yaml = "json" not in accepted and ("yaml" in accepted or "openapi" in accepted)
    return request.GET.get("format", "yaml" if wants_yaml else "json")


def _media_type_of(name: str, request: HttpRequest) -> str:
    if name == "json" and "application/json" in request.headers.get("Accept", ""):
        return "application/json"
    return f"{_RENDERERS[name].media_type}; charset=utf-8"


class SchemaView(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None
    formats = tuple(_RENDERERS)
    media_types = (
        "application/vnd.oai.openapi",
        "application/vnd.oai.openapi+json",
        "application/yaml",
        "text/yaml",
    )

    def get(self, request: Request) -> HttpResponse:
        name = _format_of(request._request)
        body = openapi_document(name)
        response = HttpResponse(
            body,
            content_type=_media_type_of(name, request._request),
            headers={
                "Content-Disposition": f'inline; filename="openapi.{name}"',
                "ETag": etag_of(body),
            },
        )
        etag = response["ETag"]
        return get_conditional_response(request._request, etag, response=response) or response


class ProblemsOfPages(APIView):
    """A page that is refused is a problem document, as everything below /api/."""

    authentication_classes = ()
    permission_classes = ()

    def handle_exception(self, exc: Exception) -> Any:
        return problem_response(to_domain_error(exc))


@method_decorator(csp_update(_DRAWS_ITSELF), name="dispatch")
class SwaggerView(ProblemsOfPages, SpectacularSwaggerSplitView):
    media_types = ("text/html", "application/javascript")
    template_name = "swagger.html"
    template_name_js = "swagger_start.js"


@method_decorator(csp_update(_DRAWS_ITSELF), name="dispatch")
class RedocView(ProblemsOfPages, SpectacularRedocView):
    media_types = ("text/html",)
    template_name = "redoc.html"

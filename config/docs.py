"""Swagger UI and ReDoc, from this server alone: no outside host, no inline script."""

from typing import Any

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

# Both draw with inline styles; ReDoc also searches in a worker that it makes from a blob.
_DRAWS_ITSELF: dict[str, Any] = {
    "style-src": [SELF, UNSAFE_INLINE],
    "worker-src": [SELF, "blob:"],
}


@method_decorator(csp_update(_DRAWS_ITSELF), name="dispatch")
class SwaggerView(SpectacularSwaggerSplitView):
    permission_classes = ()


@method_decorator(csp_update(_DRAWS_ITSELF), name="dispatch")
class RedocView(SpectacularRedocView):
    permission_classes = ()
    template_name = "redoc.html"

"""The files of images. A web server in front may serve them from their folder instead."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from ..images import read_file

_SECONDS = 365 * 24 * 60 * 60


@require_safe
def image_file(request: HttpRequest, name: str) -> HttpResponse:
    """An address never changes its image, so that caches keep it."""
    content = read_file(name)
    if content is None:
        raise Http404
    response = HttpResponse(content, content_type="image/webp")
    response["Cache-Control"] = f"public, max-age={_SECONDS}, immutable"
    response["Content-Security-Policy"] = "default-src 'none'"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response

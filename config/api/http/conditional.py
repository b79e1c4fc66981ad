"""ETag, If-None-Match and If-Match (RFC 9110, sections 8.8.3, 13.1).

An ETag is `"<row>.<version>-<digest of the body>"`. Readers compare the whole of it, so anything
that changes what they see changes it. An editor's If-Match compares row and version alone, which
changes only when the row itself is edited: registrations that come and go never fail an editor.
"""

import hashlib
import re
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from config.errors import PreconditionFailed

_TAG = re.compile(r'(W/)?"([^"]*)"')


def etag_of(body: bytes, version: str | None = None) -> str:
    digest = hashlib.sha256(body).hexdigest()[:24]  # processors have instructions for SHA-256
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def add_etag(response: Response) -> HttpResponse:
    """Post-render callback: `made_conditional`, once there is a body."""
    context: dict[str, Any] = response.renderer_context  # type: ignore[attr-defined]
    version = getattr(context["view"], "etag_version", None)
    return made_conditional(context["request"], response, version)


def made_conditional(
    request: Request, response: HttpResponse, version: str | None = None
) -> HttpResponse:
    """The answer with its ETag, or turned into 304 when the reader has it."""
    etag = etag_of(response.content, version)
    response["ETag"] = etag
    if request.method in {"GET", "HEAD"} and is_named(request.META.get("HTTP_IF_NONE_MATCH"), etag):
        response.status_code = 304
        response.content = b""
        for header in ("Content-Type", "Content-Length"):
            if header in response:
                del response[header]
    return response


def is_named(header: str | None, etag: str) -> bool:
    """Weak comparison, as If-None-Match wants it."""
    if header is None:
        return False
    return header.strip() == "*" or etag.strip('"') in {tag for _, tag in _TAG.findall(header)}


def expected_version(request: Request) -> set[str] | None:
    """The row versions that If-Match names; None when any will do.

    Weak tags never match (section 13.1.1), and a tag that we did not make names nothing.
    """
    header = request.META.get("HTTP_IF_MATCH")
    if header is None or header.strip() == "*":
        return None
    versions = set()
    for weak, tag in _TAG.findall(header):
        if not weak:
            versions.add(tag.rpartition("-")[0])
    return versions


def check_version(version: str, expected: set[str] | None) -> None:
    """Raises `PreconditionFailed` when the row is not one of the versions expected."""
    if expected is not None and version not in expected:
        raise PreconditionFailed

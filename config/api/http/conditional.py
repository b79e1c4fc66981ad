"""ETag, If-None-Match and If-Match (RFC 9110, sections 8.8.3, 13.1).

An ETag is `"<row>.<version>-<digest of the body>"`. If-None-Match compares the whole tag, so every
change of the body changes it. If-Match compares row and version alone. The version changes only
when the row itself is edited, so a new registration does not make an organizer's edit fail.

The tag of a compressed body ends in `.gzip`.
"""

import hashlib
import re
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from .compression import compressed, gzip_etag, is_worthwhile

_TAG = re.compile(r'(W/)?"([^"]*)"')


def etag_of(body: bytes, version: str | None = None) -> str:
    digest = hashlib.sha256(body).hexdigest()[:24]  # SHA-256 has processor instructions
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def add_etag(response: Response) -> HttpResponse:
    """Post-render callback that calls `make_conditional` on the rendered body."""
    context: dict[str, Any] = response.renderer_context  # type: ignore[attr-defined]
    view = context["view"]
    return make_conditional(
        context["request"], response, view.etag_version, may_compress=view.may_compress()
    )


def make_conditional(
    request: Request,
    response: HttpResponse,
    version: str | None = None,
    *,
    may_compress: bool = False,
) -> HttpResponse:
    """Add the ETag, and compress the body for clients that accept it.

    The response becomes a 304 when If-None-Match names it.
    """
    body = response.content
    etag = etag_of(body, version)
    is_compressed = may_compress and is_worthwhile(request.META.get("HTTP_ACCEPT_ENCODING"), body)
    if is_compressed:
        etag = gzip_etag(etag)
    response["ETag"] = etag
    if request.method in {"GET", "HEAD"} and matches_etag(
        request.META.get("HTTP_IF_NONE_MATCH"), etag
    ):
        response.status_code = 304
        response.content = b""
        for header in ("Content-Type", "Content-Length"):
            if header in response:
                del response[header]
    elif is_compressed:
        response.content = compressed(body, etag)
        response["Content-Encoding"] = "gzip"
    return response


def matches_etag(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names the ETag, by weak comparison."""
    if header is None:
        return False
    return header.strip() == "*" or etag.strip('"') in {tag for _, tag in _TAG.findall(header)}


def expected_version(request: Request) -> set[str] | None:
    """The row versions that If-Match names. None: any version.

    Weak tags never match (section 13.1.1), and foreign tags match no version.
    """
    header = request.META.get("HTTP_IF_MATCH")
    if header is None or header.strip() == "*":
        return None
    versions = set()
    for weak, tag in _TAG.findall(header):
        if not weak:
            versions.add(tag.rpartition("-")[0])
    return versions

"""Responses of the API as pages, for people who open an address of it in a browser."""

import json
import re
import zlib

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from .negotiation import prefers_html

MAX_BYTES = 500_000  # a larger response is sent as it is
_JSON_TYPES = ("application/json", "application/problem+json")
_GZIP = 16 + zlib.MAX_WBITS
_LINK = re.compile(r'"((?:https?://|/(?:api|problems|e)/)[^"\\\s]*)"')
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY",
}


def is_browsed(request: HttpRequest) -> bool:
    """Whether the request is for a page. `?format=json` is for the JSON as it is."""
    return (
        request.method == "GET"
        and prefers_html(request.META.get("HTTP_ACCEPT", ""))
        and "format" not in request.GET
    )


def page_of(request: HttpRequest, response: HttpResponseBase) -> HttpResponse | None:
    """The page of a JSON response, indented and with links. None for any other response."""
    if not isinstance(response, HttpResponse) or len(response.content) > MAX_BYTES:
        return None
    if response.get("Content-Type", "").partition(";")[0] not in _JSON_TYPES:
        return None
    content = _plain_content(response)
    if content is None:
        return None
    text = json.dumps(json.loads(content), indent=2, ensure_ascii=False)
    query = request.GET.copy()
    query["format"] = "json"
    context = {
        "address": request.get_full_path(),
        "status": f"{response.status_code} {response.reason_phrase}",
        "body": _with_links(text),
        "plain": f"{request.path}?{query.urlencode()}",
    }
    page = render(request, "browsed.html", context, status=response.status_code)
    for name in ("Vary", "Retry-After", "WWW-Authenticate"):
        if name in response:
            page[name] = response[name]
    page["Cache-Control"] = "no-store"  # an ETag would be that of the JSON
    for name, value in HEADERS.items():
        page[name] = value
    return page


def _plain_content(response: HttpResponse) -> bytes | None:
    """The body without its coding. None if it is larger than a page."""
    if response.get("Content-Encoding") != "gzip":
        return response.content
    content = zlib.decompressobj(_GZIP).decompress(response.content, MAX_BYTES + 1)
    return content if len(content) <= MAX_BYTES else None


def _with_links(text: str) -> SafeString:
    parts, end = [], 0
    for match in _LINK.finditer(text):
        parts += [
            format_html("{}", text[end : match.start()]),
            format_html('"<a href="{0}" rel="nofollow noopener noreferrer">{0}</a>"', match[1]),
        ]
        end = match.end()
    parts.append(format_html("{}", text[end:]))
    return mark_safe("".join(parts))  # noqa: S308  # nosec  # each part is escaped

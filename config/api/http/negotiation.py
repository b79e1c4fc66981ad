"""Content negotiation: strict JSON parsing, fast JSON rendering and the parameter `format`."""

from io import BytesIO
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, FormParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from config.errors import FieldError, MalformedRequest, ValidationFailed

from ..bounded_cache import bounded_cache
from .parameters import repeated_parameter

MAX_JSON_DEPTH = 32
MAX_JSON_VALUES = 50_000  # twice those of a thousand events with every field
OCTETS = "application/octet-stream"


def to_json(data: Any) -> bytes:
    return orjson.dumps(data, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list | tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


class StrictJSONParser(BaseParser):
    """Strict RFC 8259: UTF-8 only, no NaN, no lone surrogates, at most 32 levels.

    Values are counted before parsing, since an empty array of three bytes takes twenty times as
    much memory as an object.
    """

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        body = stream.read()
        if _has_more_values_than(body, MAX_JSON_VALUES):
            raise MalformedRequest(f"The JSON has more than {MAX_JSON_VALUES:,} values.")
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise _malformed_json(body, error) from error
        if _is_deeper_than(data, MAX_JSON_DEPTH):
            raise MalformedRequest(f"The JSON is nested more than {MAX_JSON_DEPTH} levels deep.")
        return data


def _has_more_values_than(body: bytes, limit: int) -> bool:
    """Whether a body may have more than `limit` values.

    Each value has at least one comma or bracket. Those in strings are left out only where the rest
    exceeds the limit. A value has at most four quotes, those of a name and a string.
    """
    if len(body) <= limit or _separators(body) <= limit:
        return False
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > 4 * limit:
        return True
    return _separators(b"".join(unescaped.split(b'"')[::2])) > limit


def _separators(body: bytes) -> int:
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def _malformed_json(body: bytes, error: orjson.JSONDecodeError) -> MalformedRequest:
    """An error with the line and column, in characters from 1, of the first fault."""
    try:
        body.decode()
    except UnicodeDecodeError as encoding_error:
        line = body.count(b"\n", 0, encoding_error.start) + 1
        column = (
            len(
                body[body.rfind(b"\n", 0, encoding_error.start) + 1 : encoding_error.start].decode()
            )
            + 1
        )
        reason = "not UTF-8"
    else:
        line, column, reason = error.lineno, error.colno, error.msg
    return MalformedRequest(
        f"The body is no valid JSON: line {line}, column {column}: {reason}.",
        line=line,
        column=column,
    )


class JSONAwareFormParser(FormParser):
    """A form parser that refuses JSON with the Content-Type of a form."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        body = stream.read()
        if body.lstrip()[:1] in {b"{", b"["}:
            raise MalformedRequest(
                f"The body looks like JSON, but its Content-Type is {self.media_type}. "
                "Send the header Content-Type: application/json."
            )
        return super().parse(BytesIO(body), media_type, parser_context)


def _is_deeper_than(data: Any, limit: int) -> bool:
    level = [data]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


class FastJSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None
    ) -> bytes:
        return b"" if data is None else to_json(data)


_JSON = ("application/json",)


class ApiNegotiation(BaseContentNegotiation):
    """Negotiation for routes with one representation. `format` and `Accept` can only rule it out.

    A view that does not respond in JSON sets `formats` to the valid values of `format`, and
    `media_types` to those of its responses.
    """

    def select_parser(self, request: Request, parsers: Any) -> Any:
        content_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        renderer = renderers[0]
        view = request.parser_context["view"]
        formats = getattr(view, "formats", ("json",))
        values = request.query_params.getlist("format")
        if len(values) > 1:
            raise ValidationFailed(repeated_parameter("format"))
        if values and values[0] not in formats:
            raise ValidationFailed(
                FieldError("format", "invalid_choice", f"Choose one of: {', '.join(formats)}.")
            )
        media_types = getattr(view, "media_types", _JSON)
        accepted = request.META.get("HTTP_ACCEPT", "")
        is_browsed = media_types is _JSON and prefers_html(accepted)  # see `browsing`
        if not is_browsed and not accepts(accepted, media_types):
            raise NotAcceptable
        return renderer, renderer.media_type


def file_type(request: Any, media_type: str) -> str:
    """The Content-Type of a file: octets where `Accept` names these and not the type itself.

    Some generated clients read no other binary type.
    """
    accepted = request.META.get("HTTP_ACCEPT", "")
    is_octets = OCTETS in accepted and media_type.partition(";")[0] not in accepted
    return OCTETS if is_octets else media_type


@bounded_cache(256)
def prefers_html(header: str) -> bool:
    """Whether `Accept` is that of a browser that opens an address, and not that of its scripts."""
    first = header.partition(",")[0].partition(";")[0].strip().lower()
    return first == "text/html" and "application/json" not in header


@bounded_cache(256)
def accepts_plain_json(header: str) -> bool:
    """Whether the response to a request with this `Accept` is JSON as it is, and no page of it."""
    return accepts(header, ("application/json",)) and not prefers_html(header)


@bounded_cache(256)
def accepts(header: str, media_types: tuple[str, ...]) -> bool:
    """Whether `Accept` (RFC 9110, section 12.5.1) admits one of the types or a problem document."""
    ranges = [part.partition(";")[0].strip().lower() for part in header.split(",") if part.strip()]
    if not ranges:
        return True
    admitted = {"*/*", "application/*", "application/json", "application/problem+json"}
    for media_type in media_types:
        admitted |= {media_type, media_type.split("/")[0] + "/*"}
    return any(media_range in admitted for media_range in ranges)

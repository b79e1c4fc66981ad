"""Bodies: strict JSON in, fast JSON out, and the parameter `format`."""

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
MAX_JSON_VALUES = 50_000  # twice what a thousand events with every field have
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
    """RFC 8259 to the letter: UTF-8 only, no NaN, no lone surrogates; nested at most 32 deep.

    Values are counted before any is made: an empty array is three bytes, and twenty times as much
    as an object.
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
    """Whether there are more commas and brackets than that, at least one of which each value has.

    Those in strings are left out only where they matter. A value has at most a name and a string,
    which are four quotes.
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
    """Says where the first fault is; lines and columns (of characters) are counted from 1."""
    try:
        body.decode()
    except UnicodeDecodeError as wrong:
        line = body.count(b"\n", 0, wrong.start) + 1
        column = len(body[body.rfind(b"\n", 0, wrong.start) + 1 : wrong.start].decode()) + 1
        reason = "not UTF-8"
    else:
        line, column, reason = error.lineno, error.colno, error.msg
    return MalformedRequest(
        f"The body is no valid JSON: line {line}, column {column}: {reason}.",
        line=line,
        column=column,
    )


class JSONAwareFormParser(FormParser):
    """Forms; JSON that is sent as a form is not taken for the name of a field."""

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


class ApiNegotiation(BaseContentNegotiation):
    """One representation per route, so `format` is a check and `Accept` may only rule it out.

    A view that answers with something else than JSON sets `formats` to the values of `format` it
    knows, and `media_types` to what its answers may be.
    """

    def select_parser(self, request: Request, parsers: Any) -> Any:
        content_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        renderer = renderers[0]
        view = request.parser_context["view"]
        formats = getattr(view, "formats", ("json",))
        given = request.query_params.getlist("format")
        if len(given) > 1:
            raise ValidationFailed(repeated_parameter("format"))
        chosen = given[0] if given else None
        if chosen is not None and chosen not in formats:
            raise ValidationFailed(
                FieldError("format", "invalid_choice", f"Choose one of: {', '.join(formats)}.")
            )
        media_types = getattr(view, "media_types", ("application/json",))
        if not accepts(request.META.get("HTTP_ACCEPT", ""), media_types):
            raise NotAcceptable
        return renderer, renderer.media_type


def file_type(request: Any, media_type: str) -> str:
    """How a file is labelled: as octets where `Accept` names these and not the type itself.

    Some generated clients read no other binary type.
    """
    accepted = request.META.get("HTTP_ACCEPT", "")
    is_octets = OCTETS in accepted and media_type.partition(";")[0] not in accepted
    return OCTETS if is_octets else media_type


@bounded_cache(256)
def accepts(header: str, media_types: tuple[str, ...]) -> bool:
    """Whether `Accept` (RFC 9110, section 12.5.1) admits one of the types, or a problem."""
    ranges = [part.partition(";")[0].strip().lower() for part in header.split(",") if part.strip()]
    if not ranges:
        return True
    admitted = {"*/*", "application/*", "application/json", "application/problem+json"}
    for media_type in media_types:
        admitted |= {media_type, media_type.split("/")[0] + "/*"}
    return any(media_range in admitted for media_range in ranges)

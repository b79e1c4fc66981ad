"""What the OpenAPI document says of every operation without each view repeating it."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, extend_schema

from config import errors
from config.errors import DomainError

from .errors import PROBLEM_TYPE, problem_document

F = TypeVar("F", bound=Callable[..., Any])

_TIMEZONE = OpenApiParameter(
    "timezone",
    str,
    description="IANA zone that the answer's times are told in, such as Asia/Kolkata.",
)
_TIME_ZONE_HEADER = OpenApiParameter(
    "Time-Zone", str, OpenApiParameter.HEADER, description="As `timezone`, which wins."
)
_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="Sent again within 24 hours with the same body, the first answer is replayed.",
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="An ETag: answers 304 when nothing changed.",
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="An ETag: answers 412 when the row was edited since.",
)


def operation(
    summary: str, *, raises: Iterable[type[DomainError]] = (), **kwargs: Any
) -> Callable[[F], F]:
    """Describe a view's method: a summary, `request`, `responses` and the errors it may answer.

    Errors that the ground rules bring (a bad token, a rate limit …) are added by `ApiSchema`.
    """

    def decorate(function: F) -> F:
        described = extend_schema(summary=summary, **kwargs)(function)
        described.raises = tuple(raises)  # type: ignore[attr-defined]
        return described

    return decorate


class ApiSchema(AutoSchema):
    def get_override_parameters(self) -> list[Any]:
        found = [_TIMEZONE, _TIME_ZONE_HEADER]
        if self.method == "POST" and getattr(self.view, "keeps_answers", False):
            found.append(_IDEMPOTENCY_KEY)
        if self.method == "GET" and getattr(self.view, "sends_etag", False):
            found.append(_IF_NONE_MATCH)
        if self._honours_if_match():
            found.append(_IF_MATCH)
        return found

    def _honours_if_match(self) -> bool:
        return self.method in getattr(self.view, "if_match_methods", ())

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        if self.method == "GET" and getattr(self.view, "sends_etag", False):
            responses["304"] = {"description": "Nothing changed since that ETag."}
        by_status: defaultdict[int, list[type[DomainError]]] = defaultdict(list)
        for error in self._errors():
            if error not in by_status[error.status]:
                by_status[error.status].append(error)
        for status, found in sorted(by_status.items()):
            responses[str(status)] = _problem(found)
        return responses

    def _errors(self) -> Iterable[type[DomainError]]:
        handler = getattr(self.view, self.method.lower())
        yield from getattr(handler, "raises", ())
        yield from (errors.UnknownParameter, errors.InvalidTimezone, errors.ValidationFailed)
        if self.view.get_authenticators():
            yield errors.InvalidToken
        if not any(None in requirement or not requirement for requirement in self.get_auth()):
            yield errors.NotAuthenticated
        if "{" in self.path:
            yield errors.NotFound
        if self.method in {"POST", "PUT", "PATCH"}:
            yield from (errors.MalformedRequest, errors.UnsupportedMediaType)
        if self.method != "GET":
            yield errors.PayloadTooLarge
        if self.method == "POST" and getattr(self.view, "keeps_answers", False):
            yield from (errors.IdempotencyInProgress, errors.IdempotencyKeyReused)
        if self._honours_if_match():
            yield errors.PreconditionFailed
        if getattr(self.view, "pagination_class", None) and self.method == "GET":
            yield errors.InvalidCursor
        yield from (
            errors.NotAcceptable,
            errors.RateLimited,
            errors.ServerError,
            errors.TemporarilyUnavailable,
        )


def _problem(found: list[type[DomainError]]) -> dict[str, Any]:
    examples = {}
    for error in found:
        document = {**problem_document(error()), **error.example}
        document["request_id"] = "0f8fad5bd9cb469fa16570867728950e"
        examples[error.code] = {"summary": error.title, "value": document}
    return {
        "description": " or ".join(error.title for error in found),
        "content": {
            PROBLEM_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": examples,
            }
        },
    }


def add_shared_components(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Postprocessing hook: the problem document that all errors refer to."""
    result["components"].setdefault("schemas", {})["Problem"] = {
        "type": "object",
        "description": "RFC 9457. An error may carry further members of its own.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "enum": [error.code for error in errors.all_errors()]},
            "request_id": {"type": ["string", "null"]},
            "errors": {
                "type": "array",
                "description": "With `validation_error` and `unknown_parameter`.",
                "items": {
                    "type": "object",
                    "required": ["field", "code", "detail"],
                    "properties": {
                        "field": {"type": ["string", "null"]},
                        "code": {"type": "string", "enum": list(errors.FIELD_CODES)},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    }
    return result


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.TokenAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}

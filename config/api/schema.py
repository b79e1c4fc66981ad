"""What the OpenAPI document says of every operation without each view repeating it."""
# mypy: disable-error-code="no-untyped-call"
# drf-spectacular's methods, which are overridden here, have no types.

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from config import errors
from config.errors import DomainError

from .errors import PROBLEM_TYPE, problem_document
from .fields import ZONE_NAME

F = TypeVar("F", bound=Callable[..., Any])

_TIMEZONE = OpenApiParameter(
    "timezone",
    {"type": "string", **ZONE_NAME},
    description="IANA zone that the answer's times are told in, such as Asia/Kolkata.",
)
_TIME_ZONE_HEADER = OpenApiParameter(
    "Time-Zone",
    {"type": "string", "examples": ["Asia/Kolkata"]},
    OpenApiParameter.HEADER,
    description="As `timezone`, which wins: this one is not read then.",
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

_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "Names the request in our logs: yours if you sent one, else a new one.",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "example": "0f8fad5bd9cb469fa16570867728950e",
    },
    "ETag": {
        "description": "The version of what is shown, for If-None-Match and If-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[^"]+"$'},
        "example": '"v3-9f2c5d1e8b7a4c3f6e0d1b2a"',
    },
    "Location": {
        "description": "The address of the new row, or where the answer is.",
        "required": True,
        "schema": {"type": "string", "format": "uri"},
        "example": "http://localhost:8000/api/events/1/",
    },
    "Idempotent-Replayed": {
        "description": "`true` when this is the kept answer to an earlier request.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next attempt.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 2,
    },
    "WWW-Authenticate": {
        "description": "RFC 6750: an access token is wanted.",
        "required": True,
        "schema": {"type": "string"},
        "example": 'Bearer realm="api"',
    },
}
_ARTICLES = {"a", "an", "the"}


def operation(
    summary: str, *, raises: Iterable[type[DomainError]] = (), **kwargs: Any
) -> Callable[[F], F]:
    """Describe a view's method: a summary, `request`, `responses` and the errors it may answer.

    The operationId, which generated clients call their methods by, is made from the summary:
    "Create an event" is `createEvent`. Pass `operation_id` where it should be another, and keep
    what is published: a new wording of a summary then needs the old id said.

    Errors that the ground rules bring (a bad token, a rate limit …) are added by `ApiSchema`.
    """

    kwargs.setdefault("operation_id", _operation_id(summary))

    def decorate(function: F) -> F:
        described = extend_schema(summary=summary, **kwargs)(function)
        described.raises = tuple(raises)  # type: ignore[attr-defined]
        described.takes_body = bool(kwargs.get("request"))  # type: ignore[attr-defined]
        described.responses = kwargs.get("responses")  # type: ignore[attr-defined]
        return described

    return decorate


def _operation_id(summary: str) -> str:
    """
    >>> _operation_id("List the attendees of an event")
    'listAttendeesOfEvent'
    """
    found: list[str] = re.findall(r"\w+", summary.lower())
    words = [word for word in found if word not in _ARTICLES]
    return words[0] + "".join(word.capitalize() for word in words[1:])


class ApiSchema(AutoSchema):
    """Reads, beside what DRF and drf-spectacular declare, these attributes:

    of a view: `tag` (else the name of its app), `sends_etag`, `keeps_answers`,
    `if_match_methods`, and the `raises` of its methods;
    of a serializer or a field: `schema_extra`, JSON Schema keywords that hold for what is sent.
    """

    def get_tags(self) -> list[str]:
        return [getattr(self.view, "tag", type(self.view).__module__.partition(".")[0])]

    def get_description(self) -> str:  # type: ignore[override]  # a lazy text, there
        """The method's docstring. That of the class is for who reads the code."""
        return str(get_doc(getattr(self.view, self.method.lower())))

    def map_parsers(self) -> list[Any]:
        """JSON alone: forms are read as well, but cannot say null, lists or numbers."""
        return ["application/json"]

    def get_override_parameters(self) -> list[Any]:
        found = [_TIMEZONE, _TIME_ZONE_HEADER]
        if self._honours_idempotency_key():
            found.append(_IDEMPOTENCY_KEY)
        if self._answers_not_modified():
            found.append(_IF_NONE_MATCH)
        if self._honours_if_match():
            found.append(_IF_MATCH)
        return found

    def _honours_idempotency_key(self) -> bool:
        return self.method == "POST" and getattr(self.view, "keeps_answers", False)

    def _answers_not_modified(self) -> bool:
        return self.method == "GET" and getattr(self.view, "sends_etag", False)

    def _honours_if_match(self) -> bool:
        return self.method in getattr(self.view, "if_match_methods", ())

    def _get_filter_parameters(self) -> list[dict[str, Any]]:
        """Described by each filter's help text alone, without a list of choices."""
        parameters: list[dict[str, Any]] = super()._get_filter_parameters()
        filters = getattr(getattr(self.view, "filterset_class", None), "base_filters", {})
        for parameter in parameters:
            if parameter["name"] in filters:
                parameter["description"] = filters[parameter["name"]].extra.get("help_text", "")
        return parameters

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        super()._insert_field_validators(field, schema)
        if "pattern" in schema:  # Python's \w knows every script, that of JSON Schema only ASCII
            schema["pattern"] = schema["pattern"].replace(r"\w", r"\p{L}\p{N}_")
        for keyword, value in getattr(field, "schema_extra", {}).items():
            if value is None:
                schema.pop(keyword, None)
            else:
                schema[keyword] = value

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)
        if direction == "request":
            schema["additionalProperties"] = False
        return {**schema, **getattr(serializer, "schema_extra", {})}

    def get_auth(self) -> list[dict[str, Any]]:
        """With the empty requirement where guests are let in: DRF's own classes say little."""
        required = [requirement for requirement in super().get_auth() if requirement]
        return [*required, {}] if self._lets_guests_in() else required

    def _lets_guests_in(self) -> bool:
        guest = Request(HttpRequest())
        guest.method, guest.user = self.method, AnonymousUser()
        return all(
            permission.has_permission(guest, self.view)
            for permission in self.view.get_permissions()
        )

    def _get_request_body(self, direction: Any = "request") -> dict[str, Any] | None:
        """Also of a DELETE that reads one: of an account, which wants the password."""
        method = self.method
        if method == "DELETE" and getattr(getattr(self.view, "delete", None), "takes_body", False):
            self.method = "POST"  # drf-spectacular knows bodies of other methods only
        try:
            body: dict[str, Any] | None = super()._get_request_body(direction)
        finally:
            self.method = method
        extra = getattr(self.get_request_serializer(), "schema_extra", None) if body else None
        if body and isinstance(extra, dict) and "oneOf" in extra:
            body["required"] = True  # although no field of it is
        return body

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        if self._answers_not_modified():
            responses["304"] = {"description": "Nothing changed since that ETag."}
        by_status: defaultdict[int, list[type[DomainError]]] = defaultdict(list)
        for error in self._errors():
            if error not in by_status[error.status]:
                by_status[error.status].append(error)
        for status, found in sorted(by_status.items()):
            responses[str(status)] = _problem(found)
        for code, response in responses.items():
            status = HTTPStatus(int(code))
            if not response["description"] or response["description"] == "No response body":
                response["description"] = status.phrase
            response["headers"] = {
                **response.get("headers", {}),
                **self._headers(status, by_status[status]),
            }
        return responses

    def _headers(self, status: HTTPStatus, found: list[type[DomainError]]) -> dict[str, Any]:
        names = ["X-Request-ID"]
        if status in {200, 201, 304} and getattr(self.view, "sends_etag", False):
            names.append("ETag")
        if status in {HTTPStatus.CREATED, HTTPStatus.TEMPORARY_REDIRECT}:
            names.append("Location")
        if status < HTTPStatus.INTERNAL_SERVER_ERROR and self._honours_idempotency_key():
            names.append("Idempotent-Replayed")
        if status in {429, 503}:
            names.append("Retry-After")
        if status == HTTPStatus.UNAUTHORIZED:
            names.append("WWW-Authenticate")
        headers: dict[str, Any] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        if errors.IdempotencyInProgress in found:
            headers["Retry-After"] = {
                **_HEADERS["Retry-After"],
                "description": f"With `{errors.IdempotencyInProgress.code}`: seconds to wait.",
                "required": False,
            }
        return headers

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
        if self.method in {"POST", "PUT", "PATCH"} or self._get_request_body():
            yield from (errors.MalformedRequest, errors.UnsupportedMediaType)
        if self.method != "GET":
            yield errors.PayloadTooLarge
        if self._honours_idempotency_key():
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


def problem_example(error: type[DomainError]) -> dict[str, Any]:
    """An answer with this error."""
    request_id = _HEADERS["X-Request-ID"]["example"]
    return {**problem_document(error()), **error.example, "request_id": request_id}


def _problem(found: list[type[DomainError]]) -> dict[str, Any]:
    examples = {}
    for error in found:
        examples[error.code] = {"summary": error.title, "value": problem_example(error)}
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
    """Postprocessing hook: the problem document and the headers that all answers refer to."""
    result["components"]["headers"] = _HEADERS
    result["components"].setdefault("schemas", {})["Problem"] = {
        "type": "object",
        "description": "RFC 9457. An error may carry further members of its own.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
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
                        "suggestion": {
                            "type": "string",
                            "description": "The name or value that was probably meant.",
                        },
                    },
                },
            },
            **_facts(),
        },
    }
    return result


def _facts() -> dict[str, Any]:
    """The members that single errors add, as their examples show them."""
    carriers: defaultdict[str, list[type[DomainError]]] = defaultdict(list)
    for error in errors.all_errors():
        for name in error.example.keys() - {"errors"}:
            carriers[name].append(error)
    return {
        name: {
            "description": "With " + ", ".join(f"`{error.code}`" for error in found) + ".",
            "examples": [found[0].example[name]],
        }
        for name, found in sorted(carriers.items())
    }


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.TokenAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `access` of `POST /api/login/` or `POST /api/register/`.",
        }

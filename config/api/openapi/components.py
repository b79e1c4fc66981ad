"""Shared components of the OpenAPI document, and the order of its operations.

An error response of several operations is below `components/responses`, and they refer to it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from drf_spectacular.settings import spectacular_settings

from config import errors
from config.errors import DomainError

from ..http.exception_handler import PROBLEM_TYPE, problem_document

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The id of the request in the logs: the client's own, else a new one.",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "example": "0f8fad5bd9cb469fa16570867728950e",
    },
    "ETag": {
        "description": "The version of the representation, for If-None-Match and If-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[^"]+"$'},
        "example": '"v3-9f2c5d1e8b7a4c3f6e0d1b2a"',
    },
    "ETagUnlessDryRun": {
        "description": "The version of the representation. A dry run has none.",
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
        "description": "`true` when this is the stored response to an earlier request.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next attempt.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 2,
    },
    "WWW-Authenticate": {
        "description": "RFC 6750: the request needs an access token.",
        "required": True,
        "schema": {"type": "string"},
        "example": 'Bearer realm="api"',
    },
}


def problem_example(error: type[DomainError]) -> dict[str, Any]:
    """A problem document of this error."""
    request_id = HEADERS["X-Request-ID"]["example"]
    return {**problem_document(error()), **error.example, "request_id": request_id}


def problem_response(raised: Iterable[type[DomainError]]) -> dict[str, Any]:
    """The Response Object (OpenAPI 3.1, section 4.8.17) of errors that share a status."""
    by_code = {error.code: error for error in sorted(raised, key=lambda error: error.code)}
    return {
        "description": " or ".join(error.title for error in by_code.values()),
        "content": {
            PROBLEM_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {
                    code: {"summary": error.title, "value": problem_example(error)}
                    for code, error in by_code.items()
                },
            }
        },
    }


def complete_document(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Postprocessing hook: shared components in, operations in the order of their tags."""
    components = result["components"]
    components["headers"] = HEADERS
    components.setdefault("schemas", {}).update(_problem_schemas())
    components["responses"] = _share_error_responses(result["paths"])
    result["paths"] = _in_order_of_tags(result["paths"])
    return result


def _operations(paths: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for methods in paths.values():
        yield from methods.values()


def _in_order_of_tags(paths: dict[str, Any]) -> dict[str, Any]:
    """Paths in the order of the settings' tags, within a tag in that of the URL configuration."""
    positions = {tag["name"]: index for index, tag in enumerate(spectacular_settings.TAGS)}

    def position(path: str) -> int:
        names = (operation["tags"][0] for operation in paths[path].values())
        return min(positions.get(name, len(positions)) for name in names)

    return {path: paths[path] for path in sorted(paths, key=position)}


def _share_error_responses(paths: dict[str, Any]) -> dict[str, Any]:
    """Replace error responses that occur more than once by references; returns them by name."""
    uses = Counter(_codes_of(response) for _, _, response in _error_responses(paths))
    common: dict[str, set[str]] = {}
    for codes in uses:
        status = _status_of(codes)
        common[status] = common.get(status, set(codes)) & set(codes)
    shared: dict[str, Any] = {}
    for responses, status, response in list(_error_responses(paths)):
        codes = _codes_of(response)
        if uses[codes] > 1:
            name = _name_of(codes, common[status])
            shared[name] = response
            responses[status] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(shared.items()))


def _error_responses(
    paths: dict[str, Any],
) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    for operation in _operations(paths):
        for status, response in operation["responses"].items():
            if status[0] in "45":
                yield operation["responses"], status, response


def _codes_of(response: dict[str, Any]) -> tuple[str, ...]:
    """The error codes, which determine the description, headers and examples."""
    return tuple(response["content"][PROBLEM_TYPE]["examples"])


def _status_of(codes: tuple[str, ...]) -> str:
    return next(str(error.status) for error in errors.all_errors() if error.code == codes[0])


def _name_of(codes: tuple[str, ...], common: set[str]) -> str:
    """
    >>> _name_of(("rate_limited",), {"rate_limited"})
    'RateLimited'
    >>> _name_of(("invalid_cursor", "invalid_timezone", "validation_error"), {"invalid_timezone"})
    'BadRequestOrInvalidCursorOrValidationError'
    """
    if len(codes) <= 2:
        return "Or".join(_camel(code) for code in codes)
    phrase = HTTPStatus(int(_status_of(codes))).phrase.replace(" ", "")
    return "Or".join([phrase, *(_camel(code) for code in codes if code not in common)])


def _camel(code: str) -> str:
    return "".join(word.capitalize() for word in code.split("_"))


def _problem_schemas() -> dict[str, Any]:
    problem = {
        "type": "object",
        "description": "RFC 9457. Some errors have further members, which name their codes.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "code": {"$ref": "#/components/schemas/ProblemCode"},
            "request_id": {"type": ["string", "null"]},
            "errors": {
                "type": "array",
                "description": "With `validation_error` and `unknown_parameter`.",
                "items": {"$ref": "#/components/schemas/FieldProblem"},
            },
            **_facts(),
        },
    }
    field_problem = {
        "type": "object",
        "required": ["field", "code", "detail"],
        "properties": {
            "field": {
                "type": ["string", "null"],
                "description": "A dotted path or a parameter; null for the whole body.",
            },
            "code": {"$ref": "#/components/schemas/FieldCode"},
            "detail": {"type": "string"},
            "suggestion": {
                "type": "string",
                "description": "The name that was probably meant.",
            },
        },
    }
    return {
        "Problem": problem,
        "ProblemCode": {"type": "string", "enum": [error.code for error in errors.all_errors()]},
        "FieldProblem": field_problem,
        "FieldCode": {"type": "string", "enum": list(errors.FIELD_CODES)},
    }


def _facts() -> dict[str, Any]:
    """The members of single errors, with the types of their examples."""
    carriers: defaultdict[str, list[type[DomainError]]] = defaultdict(list)
    for error in errors.all_errors():
        for name in error.example.keys() - {"errors"}:
            carriers[name].append(error)
    return {
        name: {
            **_type_of(name, errors_with[0].example[name]),
            "description": "With " + ", ".join(f"`{error.code}`" for error in errors_with) + ".",
            "examples": [errors_with[0].example[name]],
        }
        for name, errors_with in sorted(carriers.items())
    }


def _type_of(name: str, value: Any) -> dict[str, Any]:
    """
    >>> _type_of("opens_at", "2027-02-01T09:00:00Z")
    {'type': 'string', 'format': 'date-time'}
    >>> _type_of("required", ["owner"])
    {'type': 'array', 'items': {'type': 'string'}}
    """
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case list():
            return {"type": "array", "items": _type_of(name, value[0])}
        case dict():
            return {
                "type": "object",
                "properties": {inner: _type_of(inner, each) for inner, each in value.items()},
            }
        case _ if name.endswith("_at"):
            return {"type": "string", "format": "date-time"}
        case _:
            return {"type": "string"}

"""The schema generator: it adds to each operation what no view repeats."""
# mypy: disable-error-code="no-untyped-call"
# drf-spectacular's methods, which are overridden here, have no types.

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance, get_doc, is_patched_serializer
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.serializers import ModelSerializer

from config import errors
from config.errors import DomainError

from ..http.dry_runs import takes_dry_run
from ..key_scopes import Scopes
from .components import HEADERS, problem_response
from .dry_runs import EXAMPLE, DryRunOut
from .parameters import (
    DRY_RUN,
    EVENT_KEY,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    TIME_ZONE_HEADER,
    TIMEZONE,
)

F = TypeVar("F", bound=Callable[..., Any])

_TAGS_OF_APPS = {"accounts": "account"}
_ARTICLES = {"a", "an", "the"}


def operation(
    summary: str, *, raises: Iterable[type[DomainError]] = (), **kwargs: Any
) -> Callable[[F], F]:
    """Describe a view's method: its summary, `request`, `responses` and errors.

    The operationId, which names the method of generated clients, derives from the summary:
    "Create an event" is `createEvent`. It is published, so a summary with a new wording passes the
    old id as `operation_id`.

    `ApiSchema` adds the errors of every route, such as a bad token or a rate limit.
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
    all_words: list[str] = re.findall(r"\w+", summary.lower().replace("e-mail", "email"))
    words = [word for word in all_words if word not in _ARTICLES]
    return words[0] + "".join(word.capitalize() for word in words[1:])


class ApiSchema(AutoSchema):
    """Reads these attributes, beside those of DRF and drf-spectacular:

    of a view: `tag` (else the name of its app), `sends_etag`, `stores_responses`,
    `if_match_methods`, and the `raises` of its methods;
    of a serializer or a field: `schema_extra`, JSON Schema keywords for the value that is sent;
    of a serializer: `schema_name`, and of a pagination class: `page_name`, names of components.
    """

    def get_tags(self) -> list[str]:
        app = type(self.view).__module__.partition(".")[0]
        return [getattr(self.view, "tag", _TAGS_OF_APPS.get(app, app))]

    def get_description(self) -> str:  # type: ignore[override]  # a lazy text, there
        """The method's docstring. The class's docstring is for readers of the code."""
        return str(get_doc(getattr(self.view, self.method.lower())))

    def map_parsers(self) -> list[Any]:
        """JSON alone. Forms are read too, but have no null, lists or numbers."""
        return ["application/json"]

    def get_override_parameters(self) -> list[Any]:
        parameters = [TIMEZONE, TIME_ZONE_HEADER]
        if getattr(self.view, "takes_event_key", False):
            parameters.append(EVENT_KEY)
        if takes_dry_run(self.view, self.method):
            parameters.append(DRY_RUN)
        if self._honours_idempotency_key():
            parameters.append(IDEMPOTENCY_KEY)
        if self._answers_not_modified():
            parameters.append(IF_NONE_MATCH)
        if self._honours_if_match():
            parameters.append(IF_MATCH)
        return parameters

    def _honours_idempotency_key(self) -> bool:
        return self.method == "POST" and getattr(self.view, "stores_responses", False)

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
        if r"\w" in schema.get("pattern", ""):  # every script in Python, ASCII in JavaScript
            del schema["pattern"]
        for keyword, value in getattr(field, "schema_extra", {}).items():
            if value is None:
                schema.pop(keyword, None)
            else:
                schema[keyword] = value

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)
        if direction == "request":
            schema["additionalProperties"] = False
            for field in schema.get("properties", {}).values():
                _describe_default(field, is_partial=serializer.partial)
        elif isinstance(serializer, ModelSerializer):
            # A column with a default is optional in requests alone. Responses have every column.
            columns = schema["properties"].keys() - serializer._declared_fields.keys()
            schema["required"] = sorted({*schema.get("required", ()), *columns})
        return {**schema, **getattr(serializer, "schema_extra", {})}

    def _get_serializer_name(
        self, serializer: Any, direction: Any, bypass_extensions: bool = False
    ) -> str:
        """`EventOut` is `Event`, `SignInIn` is `SignIn`; a class may set another `schema_name`.

        What a PATCH sends is named after the full body: `CategoryInput` and `CategoryEdit`.
        """
        serializer = getattr(serializer, "child", serializer)
        name = vars(type(serializer)).get("schema_name")
        name = name or re.sub("(In|Out)$", "", type(serializer).__name__)
        if is_patched_serializer(serializer, direction):
            return re.sub("(Create|Input|Replace|Edit)?$", "Edit", name, count=1)
        return str(name)

    def get_paginated_name(self, serializer_name: str) -> str:
        """`EventPage`, or the `page_name` of pages that have members of their own."""
        pagination_class = getattr(self.view, "pagination_class", None)
        name = getattr(pagination_class, "page_name", None)
        return name or f"{serializer_name.removesuffix('ListItem')}Page"

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is not None:
            operation["security"] = self.get_auth()
        return operation

    def get_auth(self) -> list[dict[str, Any]]:
        """Empty where guests have access. Generated clients send a token wherever one is named,
        even beside the empty requirement, and Swagger UI draws a padlock."""
        if self._is_open_to_guests():
            return []
        scopes = self._key_scopes()
        keys = [{"apiKey": [scope.value]} for scope in scopes] if scopes else []
        return [*(requirement for requirement in super().get_auth() if requirement), *keys]

    def _key_scopes(self) -> Scopes | None:
        """The scopes of which a key needs one; None where the operation is closed to keys."""
        scopes: Scopes | None = getattr(self.view, "key_scopes", {}).get(self.method)
        return scopes

    def _is_open_to_guests(self) -> bool:
        guest = Request(HttpRequest())
        guest.method, guest.user = self.method, AnonymousUser()
        return all(
            permission.has_permission(guest, self.view)
            for permission in self.view.get_permissions()
        )

    def _get_request_body(self, direction: Any = "request") -> dict[str, Any] | None:
        """The body, also of a DELETE with one: deleting an account requires the password."""
        method = self.method
        if method == "DELETE" and getattr(getattr(self.view, "delete", None), "takes_body", False):
            self.method = "POST"  # drf-spectacular knows bodies of other methods only
        try:
            body: dict[str, Any] | None = super()._get_request_body(direction)
        finally:
            self.method = method
        if body is None or method == "PATCH":
            return body
        request = self.get_request_serializer()
        extra = getattr(force_instance(request), "schema_extra", {})
        if isinstance(request, dict) or "if" in extra:
            body["required"] = True  # a file, or an object although no field of it is
        return body

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        if takes_dry_run(self.view, self.method):
            self._add_dry_run(responses)
        if self._answers_not_modified():
            responses["304"] = {"description": "Nothing changed since that ETag."}
        by_status: defaultdict[int, list[type[DomainError]]] = defaultdict(list)
        for error in self._errors():
            if error not in by_status[error.status]:
                by_status[error.status].append(error)
        for status, raised in sorted(by_status.items()):
            responses[str(status)] = problem_response(raised)
        for code, response in responses.items():
            status = HTTPStatus(int(code))
            if not response["description"] or response["description"] == "No response body":
                response["description"] = status.phrase
            response["headers"] = {
                **response.get("headers", {}),
                **self._headers(status, by_status[status]),
            }
        return responses

    def _add_dry_run(self, responses: dict[str, Any]) -> None:
        """The response to a dry run: a 200 of its own, or beside another one."""
        schema = self.resolve_serializer(DryRunOut, "response").ref
        response = responses.setdefault("200", {"description": "Of a dry run."})
        content = response.setdefault("content", {}).setdefault("application/json", {})
        content["schema"] = (
            {"anyOf": [content["schema"], schema]} if "schema" in content else schema
        )
        content.setdefault("examples", {})["DryRun"] = {"value": EXAMPLE, "summary": "Dry run"}

    def _headers(self, status: HTTPStatus, raised: list[type[DomainError]]) -> dict[str, Any]:
        names = ["X-Request-ID"]
        if status in {200, 201, 304} and getattr(self.view, "sends_etag", False):
            names.append("ETag")
        if status in {HTTPStatus.CREATED, HTTPStatus.TEMPORARY_REDIRECT}:
            names.append("Location")
        # Of an error on every method, so that operations can share its description.
        is_client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        if is_client_error or self._honours_idempotency_key():
            names.append("Idempotent-Replayed")
        if status in {429, 503}:
            names.append("Retry-After")
        if status == HTTPStatus.UNAUTHORIZED:
            names.append("WWW-Authenticate")
        headers: dict[str, Any] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        if "ETag" in headers and takes_dry_run(self.view, self.method):
            headers["ETag"] = {"$ref": "#/components/headers/ETagUnlessDryRun"}
        if errors.IdempotencyInProgress in raised:
            headers["Retry-After"] = {
                **HEADERS["Retry-After"],
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
            if self._key_scopes() is None:
                yield errors.KeyNotAllowed
            elif self._key_scopes():
                yield errors.InsufficientScope
        if not self._is_open_to_guests():
            yield errors.NotAuthenticated
        if "{" in self.path:
            yield errors.NotFound
        if self.method in {"POST", "PUT", "PATCH"} or self._get_request_body():
            yield from (errors.MalformedRequest, errors.UnsupportedMediaType)
        if self.method != "GET":
            yield from (errors.PayloadTooLarge, errors.RequestTimeout)
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


def _describe_default(schema: dict[str, Any], *, is_partial: bool) -> None:
    """Move a request's `default` into the description, since generators misread the keyword.

    openapi-typescript makes the field required. Python clients send the default, which on PATCH is
    an edit.
    """
    if "default" not in schema:
        return
    default = json.dumps(schema.pop("default"))
    description = schema.get("description", "")
    if not is_partial and "Default:" not in description:
        schema["description"] = f"{description} Default: `{default}`.".strip()


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

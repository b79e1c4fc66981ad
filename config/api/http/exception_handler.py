"""Turns every exception into a problem document (RFC 9457)."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent
from django.core.signals import got_request_exception
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from config import errors
from config.errors import DomainError, FieldError, ValidationFailed

from ..limited_log import LimitedLog
from ..request_ids import current_request_id
from .negotiation import to_json

logger = logging.getLogger(__name__)
limited_log = LimitedLog(logger)

PROBLEM_TYPE = "application/problem+json"

# Transient conditions of PostgreSQL: a lock that was not free in time, a cancelled statement, a
# deadlock, a serialization failure, a server that may only be read (after a fail-over or with a
# full quota), and a row that was deleted before another row referred to it (23503: the next attempt
# gets a 404).
_TRANSIENT_SQLSTATES = {"55P03", "57014", "40P01", "40001", "25006", "23503"}
# Classes of them: a broken connection, a lack of memory, disk or connections, a server that is
# starting or stopping, and a failure of its operating system.
_TRANSIENT_CLASSES = ("08", "53", "57P", "58")

_BY_DRF_CLASS: list[tuple[type[Exception], type[DomainError]]] = [
    (exceptions.ParseError, errors.MalformedRequest),
    (exceptions.NotAuthenticated, errors.NotAuthenticated),
    (exceptions.AuthenticationFailed, errors.InvalidToken),
    (exceptions.PermissionDenied, errors.PermissionDenied),
    (DjangoPermissionDenied, errors.PermissionDenied),
    (exceptions.NotFound, errors.NotFound),
    (Http404, errors.NotFound),
    (exceptions.MethodNotAllowed, errors.MethodNotAllowed),
    (exceptions.NotAcceptable, errors.NotAcceptable),
    (exceptions.UnsupportedMediaType, errors.UnsupportedMediaType),
    (RequestDataTooBig, errors.PayloadTooLarge),
    (TooManyFieldsSent, errors.PayloadTooLarge),
    (SuspiciousOperation, errors.MalformedRequest),
]

_CONNECTION_ERRORS = (
    OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError,
)  # fmt: skip

_FIELD_CODE_OF = {
    "max_string_length": "max_value",
    "does_not_exist": "invalid_choice",
    "empty": "min_length",
    "missing": "required",
}


def problem_document(error: DomainError) -> dict[str, Any]:
    """The members of RFC 9457, section 3.1, with `code`, `request_id` and the error's facts."""
    return {
        "type": f"/problems/{error.slug()}",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "request_id": current_request_id() or None,
        **error.facts,
    }


def problem_response(error: DomainError) -> HttpResponse:
    """A problem document from outside a DRF view, such as a middleware."""
    return HttpResponse(
        to_json(problem_document(error)),
        status=error.status,
        content_type=PROBLEM_TYPE,
        headers=error.headers,
    )


def handle_exception(exc: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler. Every exception becomes a problem document."""
    if isinstance(exc, exceptions.UnsupportedMediaType):
        exc = _unsupported_media_type(context["view"], context["request"].content_type)
    error = logged_error(exc, lambda: context["request"]._request)
    headers = dict(error.headers)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="api"'
    return Response(
        problem_document(error), status=error.status, content_type=PROBLEM_TYPE, headers=headers
    )


def _unsupported_media_type(view: Any, content_type: str | None) -> DomainError:
    """Lists the route's media types, also in the header `Accept` (RFC 9110, section 15.5.16)."""
    names = [parser.media_type for parser in view.parser_classes]
    is_short = content_type is not None and 0 < len(content_type) <= 100
    problem = (
        f"The Content-Type is {content_type}." if is_short else "The body has no Content-Type."
    )
    return errors.UnsupportedMediaType(
        f"{problem} This route reads {', '.join(names)}.",
        headers={"Accept": ", ".join(names)},
        media_types=names,
    )


def logged_error(exc: Exception, make_request: Callable[[], HttpRequest]) -> DomainError:
    """The error of an exception. Status 500 and above are logged and signalled.

    A temporary error is not signalled, and has a line without a traceback, not for every request.
    `make_request` is called for the signal alone.
    """
    error = to_domain_error(exc)
    if error.status >= 500 and not is_temporary(error, exc):
        logger.error("request failed: %s", error.code, exc_info=exc)
        got_request_exception.send(sender=logged_error, request=make_request())
    return error


def is_temporary(error: DomainError, reason: Exception) -> bool:
    """Whether the response is a 503. If so, the reason is logged, but not for every request."""
    if not isinstance(error, errors.TemporarilyUnavailable):
        return False
    limited_log.report("request failed: temporarily_unavailable", reason)
    return True


def to_domain_error(exc: Exception) -> DomainError:
    if isinstance(exc, DomainError):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return ValidationFailed(*_field_errors(exc.detail))
    if isinstance(exc, exceptions.Throttled):
        seconds = max(1, int(getattr(exc, "wait", None) or 1))
        return errors.RateLimited(retry_after=seconds)
    for drf_class, domain_class in _BY_DRF_CLASS:
        if isinstance(exc, drf_class):
            return domain_class()
    if isinstance(exc, DatabaseError | InterfaceError | psycopg.Error) and _is_transient(exc):
        return errors.TemporarilyUnavailable(retry_after=2)
    return errors.ServerError()


def _is_transient(exc: Exception) -> bool:
    """Whether a later attempt may succeed. `exc` is an error of Django or of the driver."""
    error = exc if isinstance(exc, psycopg.Error) else exc.__cause__
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate is None:  # the connection failed, so the server sent no state
        return isinstance(exc, _CONNECTION_ERRORS)
    return sqlstate in _TRANSIENT_SQLSTATES or sqlstate.startswith(_TRANSIENT_CLASSES)


def _field_errors(detail: Any, path: str = "") -> Iterator[FieldError]:
    """Flatten DRF's nested details into dotted paths."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            is_whole = name == "non_field_errors"
            yield from _field_errors(inner, path if is_whole else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from _field_errors(inner, f"{path}.{index}".lstrip(".") if nested else path)
    else:
        code = getattr(detail, "code", "invalid")
        code = _FIELD_CODE_OF.get(code, code)
        yield FieldError(
            path or None, code if code in errors.FIELD_CODES else "invalid", str(detail)
        )

"""Pages for people: those of links in e-mails, and public ones."""

import json
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.serializers import BaseSerializer

from config.errors import DomainError, MalformedRequest, ServerError, ValidationFailed

from .http.exception_handler import to_domain_error
from .http.rate_limits import check_limit
from .http.throttling import client_network

_MAIL_PAGE_HEADERS = {
    "Referrer-Policy": "no-referrer",  # the page's address has a token
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}

PageView = Callable[..., HttpResponse]


def mail_page(view: PageView) -> PageView:
    """Wrap a view that a link in an e-mail opens. Only a POST may change anything.

    Mail scanners follow links, so a GET must be safe. The view is exempt from Django's CSRF check:
    a cross-site request cannot know the token in the form, and with `no-referrer` browsers send
    `Origin: null`, which that check refuses. Errors become a page in plain words. The rate limit is
    that of anonymous requests to the API.
    """

    @wraps(view)
    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = _respond(view, request, *args, **kwargs)
        for name, value in _MAIL_PAGE_HEADERS.items():
            response[name] = value
        return response

    return csrf_exempt(require_http_methods(["GET", "HEAD", "POST"])(handle))


def public_page(*, methods: Collection[str] = ("GET", "HEAD")) -> Callable[[PageView], PageView]:
    """Wrap a view that anybody may open and share. There is none with `PUBLIC_PAGES=off`.

    The view sees what a guest of the API sees: it reads no cookie. Its forms have signed tokens
    (`one_use_forms`) in place of Django's CSRF check, which needs a cookie.
    """

    def wrap(view: PageView) -> PageView:
        @wraps(view)
        def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not settings.PUBLIC_PAGES:
                raise Http404
            response = _respond(view, request, *args, **kwargs)
            response.headers.setdefault("Cache-Control", "private, no-cache")
            return response

        return csrf_exempt(require_http_methods(list(methods))(handle))

    return wrap


def _respond(view: PageView, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """The view's response, or a page that explains the error.

    A form that cannot be read raises where a view first reads it. Django would log a traceback.
    """
    try:
        check_limit("anonymous", client_network(request))
        return view(request, *args, **kwargs)
    except (DomainError, DatabaseError, APIException) as error:
        refusal = to_domain_error(error)
        if isinstance(refusal, ServerError):
            raise
        return refusal_page(request, refusal)
    except (MultiPartParserError, BadRequest, SuspiciousOperation):
        return refusal_page(request, MalformedRequest("The form arrived broken. Send it again."))


def refusal_page(request: HttpRequest, refusal: DomainError) -> HttpResponse:
    """A page with the sentences of an error."""
    context = {"refusal": refusal, "sentences": sentences(refusal)}
    response = render(request, "refused.html", context, status=refusal.status)
    for name, value in refusal.headers.items():
        response[name] = value
    return response


def token_of(request: HttpRequest) -> str:
    """The token of the link or of its form."""
    values = request.POST if request.method == "POST" else request.GET
    return values.get("token", "")


def read_form(
    serializer_class: type[BaseSerializer[Any]],
    fields: dict[str, Any],
    *,
    partial: bool = False,
    **context: Any,
) -> dict[str, Any]:
    """A form's fields, validated by the API's serializer. Raises `ValidationFailed`."""
    serializer = serializer_class(data=fields, partial=partial, context=context)
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        raise to_domain_error(error) from error
    return serializer.validated_data  # type: ignore[no-any-return]


def sentences(refusal: DomainError) -> list[str]:
    """The sentences for a form: those of all field errors, or that of the error itself."""
    if isinstance(refusal, ValidationFailed):
        return [fact["detail"] for fact in refusal.facts["errors"]]
    return [refusal.message]


def read_json(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that a script of a page sent. Raises `MalformedRequest`."""
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise MalformedRequest("Send a JSON object.")
    return value

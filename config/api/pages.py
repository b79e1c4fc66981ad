"""Pages that are opened by a link in an e-mail."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import BaseSerializer

from config.errors import DomainError, ServerError, ValidationFailed

from .http.exception_handler import to_domain_error
from .http.rate_limits import check_limit
from .http.throttling import client_network

_HEADERS = {
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
        try:
            check_limit("anonymous", client_network(request))
            response = view(request, *args, **kwargs)
        except (DomainError, DatabaseError) as error:
            refusal = to_domain_error(error)
            if isinstance(refusal, ServerError):
                raise
            response = render(request, "refused.html", {"refusal": refusal}, status=refusal.status)
            for name, value in refusal.headers.items():
                response[name] = value
        for name, value in _HEADERS.items():
            response[name] = value
        return response

    return csrf_exempt(require_http_methods(["GET", "HEAD", "POST"])(handle))


def token_of(request: HttpRequest) -> str:
    """The token of the link or of its form."""
    values = request.POST if request.method == "POST" else request.GET
    return values.get("token", "")


def read_form(
    serializer_class: type[BaseSerializer[Any]], fields: dict[str, Any]
) -> dict[str, Any]:
    """A form's fields, validated by the API's serializer. Raises `ValidationFailed`."""
    serializer = serializer_class(data=fields)
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

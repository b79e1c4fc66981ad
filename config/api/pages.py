"""Pages that people open from an e-mail."""

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
    "Referrer-Policy": "no-referrer",  # the page's address holds a token
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}

PageView = Callable[..., HttpResponse]


def mail_page(view: PageView) -> PageView:
    """For a view that a link in an e-mail opens: reading changes nothing, a POST does.

    Mail scanners follow links. The token that the form sends back is what a cross-site request
    cannot know, so there is no cookie; and with `no-referrer` browsers send `Origin: null`, which
    Django's own check refuses. A refusal becomes a page in plain words. The limit is that of
    anonymous requests to the API.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
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

    return csrf_exempt(require_http_methods(["GET", "HEAD", "POST"])(answer))


def token_of(request: HttpRequest) -> str:
    """What the link, or the form that it opened, carries."""
    values = request.POST if request.method == "POST" else request.GET
    return values.get("token", "")


def read_form(
    serializer_class: type[BaseSerializer[Any]], fields: dict[str, Any]
) -> dict[str, Any]:
    """A form's fields, validated as the API does. Raises `ValidationFailed`."""
    serializer = serializer_class(data=fields)
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        raise to_domain_error(error) from error
    return serializer.validated_data  # type: ignore[no-any-return]


def sentences(refusal: DomainError) -> list[str]:
    """What a form's reader is told of a refusal: all that is wrong with the fields, or why not."""
    if isinstance(refusal, ValidationFailed):
        return [fact["detail"] for fact in refusal.facts["errors"]]
    return [refusal.message]

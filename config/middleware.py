"""What happens to every request before a view sees it."""

import random
import re
from collections.abc import Callable
from typing import Any

import structlog
from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone

from accounts.audit import acting_as
from config import errors, ops
from config.api.http.body_limits import body_limit
from config.api.http.exception_handler import problem_response
from config.api.http.timezones import requested_zone
from config.fast_path.request import PlainRequest
from config.hosts import check_host

PROBES = {
    "/healthz": ops.healthz,
    "/healthz/": ops.healthz,
    "/readyz": ops.readyz,
    "/readyz/": ops.readyz,
}

Handler = Callable[[HttpRequest], HttpResponseBase]

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# What a browser that is shown an answer of the API may do with it: nothing.
API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}
# What a page may have of the device that shows it: nothing.
_NO_DEVICE = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "publickey-credentials-get",
        "usb",
    )
)
_FILE = re.compile(r"\.(ics|svg|png)$")


def is_page(request: HttpRequest) -> bool:
    """Whether a person opens this address, rather than a client of the API."""
    return not request.path_info.startswith("/api/") or request.path_info.startswith(
        ("/api/docs", "/api/redoc")
    )


def request_id_of(request: HttpRequest | PlainRequest) -> str:
    return sane_request_id(request.META.get("HTTP_X_REQUEST_ID", ""))


def sane_request_id(given: str) -> str:
    """The caller's own if it is sane, a new one otherwise.

    Nobody gains by guessing one, so the system is not asked for randomness: to wait for that lets
    another thread have the interpreter, and a request pays for the way back.
    """
    return given if _SANE_REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


class RequestIdMiddleware:
    """Gives each request an id: the caller's own if it is sane, a new one otherwise."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = request_id_of(request)
        tokens = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            response = self.get_response(request)
        finally:
            structlog.contextvars.reset_contextvars(**tokens)
            structlog.contextvars.unbind_contextvars("user_id")  # of whoever it was
        response["X-Request-ID"] = request_id
        return response


class ProbeMiddleware:
    """Answers health checks before anything else: a load balancer asks by address, not by name."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        probe = PROBES.get(request.path_info)
        return probe(request) if probe else self.get_response(request)


class ApiMiddleware:
    """The API's ground rules that hold before routing.

    Both slash forms reach the same route, an oversized body is refused unread, and times are
    rendered in the zone that the request names.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        check_host(request)
        if not request.path_info.startswith("/api/") and request.path_info != "/api":
            return self._page(request)
        if not request.path_info.endswith("/") and not _FILE.search(request.path_info):
            request.path_info += "/"
            request.path += "/"
        try:
            self._check_size(request)
            zone = requested_zone(request)
        except errors.DomainError as error:
            response: HttpResponseBase = problem_response(error)
        else:
            with timezone.override(zone):
                response = self.get_response(request)
        if not is_page(request):
            for name, value in API_HEADERS.items():
                response[name] = value
            # Of an answer without a body it would be that of the one with it (RFC 9110, 8.6).
            if (
                isinstance(response, HttpResponse)
                and response.status_code != 304
                and "Content-Length" not in response
            ):
                response["Content-Length"] = str(len(response.content))
        return response

    def _page(self, request: HttpRequest) -> HttpResponseBase:
        try:
            self._check_size(request)
        except errors.PayloadTooLarge as error:
            return HttpResponse(f"{error.message}\n", "text/plain", status=error.status)
        return self.get_response(request)

    def _check_size(self, request: HttpRequest) -> None:
        limit = body_limit(request.path_info)
        length = request.META.get("CONTENT_LENGTH") or "0"
        is_number = length.isascii() and length.isdigit() and len(length) < 20
        if not is_number or int(length) > limit:
            raise errors.PayloadTooLarge(f"Send a body of at most {limit} bytes.", max_bytes=limit)


class AdminIdentity(AuthenticationMiddleware):
    """Who is signed in, and in the admin who answers for what is changed."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        if request.path_info.startswith("/admin/") and request.user.is_authenticated:
            acting_as(request.user.pk)


class PageHeaders(XFrameOptionsMiddleware):
    def process_response(self, request: HttpRequest, response: Any) -> Any:
        response.headers.setdefault("Permissions-Policy", _NO_DEVICE)
        return super().process_response(request, response)


class PageLayers:
    """The middlewares that only pages need: the API has no cookies, forms or frames.

    One layer of Django's, so that what the API does not need does not cost it six calls. The docs
    below /api/ are pages.
    """

    LAYERS = (
        CommonMiddleware,
        CSPMiddleware,
        SessionMiddleware,
        AdminIdentity,
        MessageMiddleware,
        PageHeaders,
    )

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.with_layers: Any = get_response
        for layer in reversed(self.LAYERS):
            self.with_layers = layer(self.with_layers)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        handle: Handler = self.with_layers if is_page(request) else self.get_response
        return handle(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A page that is refused for a moment, as when the admin sets a password, is no fault."""
        if not isinstance(exception, errors.RateLimited | errors.TemporarilyUnavailable):
            return None
        text = f"{exception.message}\n"
        return HttpResponse(text, "text/plain", exception.status, headers=exception.headers)


class PageCsrf(CsrfViewMiddleware):
    """For pages alone. Not one of the layers, since Django asks it again once the view is known."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if is_page(request) else self.get_response(request)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler404 for addresses that no view claims."""
    if request.path_info.startswith("/api/"):
        return problem_response(errors.NotFound())
    return HttpResponse("There is no page at this address.\n", "text/plain", status=404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler400: a host that is not ours, or a body that is no form."""
    return problem_response(errors.MalformedRequest("Check the Host header and the body."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500 for faults outside the API's own views."""
    if request.path_info.startswith("/api/"):
        return problem_response(errors.ServerError())
    return HttpResponse("Something went wrong here. Try again.\n", "text/plain", status=500)

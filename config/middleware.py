"""Middlewares: request ids, probes, the API's conventions before routing, and pages."""

import random
import re
import sys
from collections.abc import Callable
from typing import Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.audit import clear_actor, set_actor
from config import errors, ops
from config.api.http.body_limits import body_limit
from config.api.http.browsing import is_browsed, page_of
from config.api.http.exception_handler import is_temporary, problem_response, to_domain_error
from config.api.http.timezones import requested_zone
from config.api.request_ids import reset_request_id, set_request_id
from config.bare_paths import PREFIX, is_bare
from config.fast_path.request import PlainRequest
from config.hosts import check_host

PROBES = {
    "/healthz": ops.healthz,
    "/healthz/": ops.healthz,
    "/readyz": ops.readyz,
    "/readyz/": ops.readyz,
}

Handler = Callable[[HttpRequest], HttpResponseBase]

_SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# A browser may not render a response of the API or frame it.
API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}
# Pages may not use any feature of the device.
_NO_DEVICE_FEATURES = ", ".join(
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
    """Whether the address is that of a page for browsers, and not of the API."""
    return not request.path_info.startswith("/api/") or request.path_info.startswith(
        ("/api/docs", "/api/redoc")
    )


def request_id_of(request: HttpRequest | PlainRequest) -> str:
    return safe_request_id(request.META.get("HTTP_X_REQUEST_ID", ""))


def safe_request_id(text: str) -> str:
    """The caller's own id if its characters are safe, else a new one.

    New ids come from a plain pseudorandom generator, since guessing one gives no advantage. The
    system's generator would release the interpreter lock, which delays the request.
    """
    return text if _SAFE_REQUEST_ID.fullmatch(text) else f"{random.getrandbits(128):032x}"


class RequestIdMiddleware:
    """Gives each request an id, which logs and the response contain: see `safe_request_id`."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = request_id_of(request)
        token = set_request_id(request_id)
        try:
            response = self.get_response(request)
        finally:
            reset_request_id(token)
            clear_actor()
        response["X-Request-ID"] = request_id
        return response


class ProbeMiddleware:
    """Responds to health checks before the check of the host: load balancers use IP addresses."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        probe = PROBES.get(request.path_info)
        return probe(request) if probe else self.get_response(request)


class ApiMiddleware:
    """The API's conventions that apply before routing.

    Paths with and without a final slash are the same route. An oversized body is refused unread.
    Times are rendered in the zone of the request.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        check_host(request)
        if is_bare(request.path_info):  # of a handler without the layers of `config.wsgi`
            request.path_info = request.path = PREFIX + request.path_info
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
            if is_browsed(request) and (page := page_of(request, response)) is not None:
                response = page
            # A response to HEAD has the length of the body for GET (RFC 9110, section 8.6).
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
    """The signed-in user, recorded in the admin as the actor of changes.

    The admin shows times in the zone of this account.
    """

    def __call__(self, request: HttpRequest) -> Any:
        self.process_request(request)
        if not request.path_info.startswith("/admin/") or not request.user.is_authenticated:
            return self.get_response(request)
        set_actor(request.user.pk)
        with timezone.override(request.user.timezone):
            return self.get_response(request)


class PageHeaders(XFrameOptionsMiddleware):
    def process_response(self, request: HttpRequest, response: Any) -> Any:
        response.headers.setdefault("Permissions-Policy", _NO_DEVICE_FEATURES)
        return super().process_response(request, response)


class PageLayers:
    """The middlewares for pages alone: the API has no cookies, forms or frames.

    They are one middleware to Django, which spares requests of the API six calls. The docs below
    /api/ are pages.
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
        """Render temporary errors as text, such as too many concurrent password hashes."""
        error = to_domain_error(exception)
        if isinstance(error, errors.RateLimited):
            return _text_response(error)
        return _text_response(error) if is_temporary(error, exception) else None


class PageCsrf(CsrfViewMiddleware):
    """CSRF protection for pages alone. It is not among the layers, since it has a view hook."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if is_page(request) else self.get_response(request)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler404, for unknown addresses."""
    if request.path_info.startswith("/api/"):
        return problem_response(errors.NotFound())
    return render(request, "404.html", status=404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler400, for an unknown host or a malformed form."""
    return problem_response(errors.MalformedRequest("Check the Host header and the body."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, for exceptions outside the API's views. A temporary one is a 503.

    Django calls it while it handles the exception.
    """
    exception = sys.exception()
    if isinstance(exception, Exception):
        error = to_domain_error(exception)
        if is_temporary(error, exception):
            is_api = request.path_info.startswith("/api/")
            return problem_response(error) if is_api else _text_response(error)
    if request.path_info.startswith("/api/"):
        return problem_response(errors.ServerError())
    # The template needs nothing of the request, which may be what is broken.
    return HttpResponse(render_to_string("500.html"), status=500)


def _text_response(error: errors.DomainError) -> HttpResponse:
    return HttpResponse(f"{error.message}\n", "text/plain", error.status, headers=error.headers)

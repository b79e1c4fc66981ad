"""The fast path: the most frequent requests are handled below the framework.

Django and DRF take several times as long around a view as the view takes to register a guest.
Almost all of that serves options that such a request does not have: a token, an idempotency key, a
time zone, a query. A route may therefore have a second handler, for a `PlainRequest`. It returns
the same bytes as the view, or None to pass the request on to the view. Tests compare both.

Some routes have it for requests with an access token too. Whatever is wrong with a token, the view
says it.

Both share the functions for limits, request ids, problem documents, ETags and metrics. The headers
of Django's middlewares are computed once, by these middlewares.
"""

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from time import perf_counter
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host
from django.utils.module_loading import import_string

from accounts.audit import clear_actor
from config.api.bounded_cache import bounded_cache
from config.api.http.compression import compressed, gzip_etag, is_worthwhile
from config.api.http.conditional import etag_of, matches_etag
from config.api.http.exception_handler import PROBLEM_TYPE, logged_error, problem_document
from config.api.http.negotiation import accepts_plain_json, to_json
from config.api.request_ids import reset_request_id, set_request_id
from config.api.views import VARY, VARY_OF_COMPRESSED, VARY_OF_WRITES
from config.errors import DomainError
from config.fast_path.request import Answer, PlainRequest
from config.hosts import is_port
from config.metrics import report_request
from config.middleware import API_HEADERS, request_id_of
from config.server.wsgi import Application
from events.views import fast_event, fast_list, fast_own_list
from registrations.views import fast_profile, register_guest

MAX_BODY_BYTES = 10_000

# Headers with options that only the views support.
_HEADERS_FOR_VIEWS = (
    "HTTP_IDEMPOTENCY_KEY",
    "HTTP_ORIGIN",
    "HTTP_PREFER",
    "HTTP_TIME_ZONE",
    "HTTP_TRANSFER_ENCODING",
)
_HEADER_MIDDLEWARES = (
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
)


@dataclass(frozen=True)
class FastRoute:
    """One method of one route. `handle` receives the number in the path, where there is one.

    `route` is Django's pattern, the label of the metrics. `allow` and `vary` are the view's own.
    `cache_control` is that of guests. `signed_in_cache_control` is that of requests with a token,
    and empty where the view handles these.
    """

    method: str
    path: re.Pattern[str]
    route: str
    allow: str
    vary: str
    cache_control: str
    handle: Callable[..., Answer | None]
    signed_in_cache_control: str = ""


ROUTES = (
    FastRoute(
        "POST",
        re.compile("/api/events/([1-9][0-9]{0,17})/register/?"),
        "api/events/<id:pk>/register/",
        "POST, OPTIONS",
        VARY_OF_WRITES,
        "no-store",
        register_guest,
    ),
    FastRoute(
        "GET",
        re.compile("/api/events/?"),
        "api/events/",
        "GET, POST, HEAD, OPTIONS",
        VARY_OF_COMPRESSED,
        "no-cache",
        fast_list,
        signed_in_cache_control="private, no-cache",
    ),
    FastRoute(
        "GET",
        re.compile("/api/events/([1-9][0-9]{0,17})/?"),
        "api/events/<id:pk>/",
        "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
        VARY_OF_COMPRESSED,
        "no-cache",
        fast_event,
        signed_in_cache_control="private, no-cache",
    ),
    FastRoute(
        "GET",
        re.compile("/api/me/events/?"),
        "api/me/events/",
        "GET, HEAD, OPTIONS",
        VARY,
        "no-store",
        fast_own_list,
        signed_in_cache_control="no-store",
    ),
    FastRoute(
        "GET",
        re.compile("/api/me/?"),
        "api/me/",
        "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
        VARY,
        "no-store",
        fast_profile,
        signed_in_cache_control="no-store",
    ),
)


def with_fast_path(application: Application) -> Application:
    """Wrap a WSGI application."""

    def handle(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        for route in ROUTES:
            if method == route.method and (match := route.path.fullmatch(path)):
                answer = _respond(route, environ, *map(int, match.groups()))
                if answer is None:
                    break
                start_response(_status_line(answer.status), list(answer.headers.items()))
                return [answer.body]
        return application(environ, start_response)

    return handle


def _respond(route: FastRoute, environ: dict[str, Any], *numbers: int) -> Answer | None:
    started = perf_counter()
    has_token = "HTTP_AUTHORIZATION" in environ
    request = None if has_token and not route.signed_in_cache_control else _plain_request(environ)
    if request is None:
        return None
    request_id = request_id_of(request)
    token = set_request_id(request_id)
    try:
        answer = route.handle(request, *numbers)
    except Exception as exc:  # noqa: BLE001  # every exception becomes a response, as in a view
        answer = _problem(exc, request)
    finally:
        reset_request_id(token)
        if has_token:
            clear_actor()
    if answer is None:
        return None
    may_compress = route.vary is VARY_OF_COMPRESSED and not has_token
    answer = _conditional(request, answer, may_compress=may_compress)
    scheme = request.site.partition(":")[0]
    headers = {
        **answer.headers,
        **common_headers(scheme, route.vary),
        "Allow": route.allow,
        "X-Request-ID": request_id,
    }
    if answer.status != 304:
        headers["Content-Length"] = str(len(answer.body))
    headers.setdefault(
        "Cache-Control", route.signed_in_cache_control if has_token else route.cache_control
    )
    report_request(
        route.method,
        route.route,
        answer.status,
        perf_counter() - started,
        request_id=request_id,
        traceparent=environ.get("HTTP_TRACEPARENT", ""),
    )
    return answer._replace(headers=headers)


def _plain_request(environ: dict[str, Any]) -> PlainRequest | None:
    for name in _HEADERS_FOR_VIEWS:
        if name in environ:
            return None
    host = environ.get("HTTP_HOST", "")
    length = environ.get("CONTENT_LENGTH") or "0"
    if (
        environ.get("SCRIPT_NAME")
        or not _is_allowed_host(host)
        or not accepts_plain_json(environ.get("HTTP_ACCEPT", ""))
        or not (length.isascii() and length.isdigit() and len(length) < 6)
        or int(length) > MAX_BODY_BYTES
    ):
        return None
    scheme = _scheme(environ)
    if settings.SECURE_SSL_REDIRECT and scheme != "https":
        return None
    return PlainRequest(environ, f"{scheme}://{host}")


@bounded_cache(256)
def _is_allowed_host(host: str) -> bool:
    domain, port = split_domain_port(host)
    return bool(domain) and is_port(port) and validate_host(domain, settings.ALLOWED_HOSTS)


def _scheme(environ: dict[str, Any]) -> str:
    """The same as `HttpRequest.scheme`."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        forwarded = environ.get(name)
        if forwarded is not None:
            return "https" if forwarded.split(",", 1)[0].strip() == secure else "http"
    return str(environ["wsgi.url_scheme"])


def _problem(exc: Exception, request: PlainRequest) -> Answer:
    if not isinstance(exc, DomainError):
        request_finished.send(sender=_problem)  # closes a broken database connection
    error = logged_error(exc, lambda: WSGIRequest(request.META))
    headers = {"Content-Type": PROBLEM_TYPE, **error.headers}
    return Answer(error.status, to_json(problem_document(error)), headers)


def _conditional(request: PlainRequest, answer: Answer, *, may_compress: bool) -> Answer:
    """As `conditional.make_conditional`."""
    if answer.status not in {200, 201}:
        return answer
    body, etag = answer.body, etag_of(answer.body, answer.version)
    is_compressed = may_compress and is_worthwhile(request.META.get("HTTP_ACCEPT_ENCODING"), body)
    if is_compressed:
        etag = gzip_etag(etag)
    headers = {**answer.headers, "ETag": etag}
    if request.META["REQUEST_METHOD"] == "GET" and matches_etag(
        request.META.get("HTTP_IF_NONE_MATCH"), etag
    ):
        return Answer(304, b"", headers)
    if is_compressed:
        body = compressed(body, etag)
        headers["Content-Encoding"] = "gzip"
    return Answer(answer.status, body, {"Content-Type": "application/json", **headers})


@cache
def common_headers(scheme: str, vary: str) -> dict[str, str]:
    """The headers that the middlewares add to every response of the API."""

    def answer(request: Any) -> HttpResponse:
        return HttpResponse(headers={**API_HEADERS, "Vary": vary})

    for name in reversed(settings.MIDDLEWARE):
        if name in _HEADER_MIDDLEWARES:
            answer = import_string(name)(answer)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/", "wsgi.url_scheme": scheme}
    request = WSGIRequest({**environ, "wsgi.input": io.BytesIO()})
    headers = dict(answer(request).items())
    del headers["Content-Type"]
    return headers


@cache
def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"

"""The fast path: the plainest form of the hottest requests, answered below the framework.

What Django and DRF do around a view takes several times as long as to take a seat, and almost all
of it is for what such a request does not say: it has no token, no key, no zone, no query. So a
route may have a second handler, for a `PlainRequest`. It answers what the view would, to the byte
(tests send each request both ways), or None: whatever it is not sure of goes the ordinary way.

Limits, request ids, problem documents, ETags and metrics are the same functions as there. The
headers that Django's middlewares add to every answer are taken from themselves, once.
"""

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from time import perf_counter
from typing import Any

import structlog
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host
from django.utils.module_loading import import_string

from config.api.bounded_cache import bounded_cache
from config.api.http.conditional import etag_of, matches_etag
from config.api.http.exception_handler import PROBLEM_TYPE, logged_error, problem_document
from config.api.http.negotiation import accepts, to_json
from config.api.views import VARY, VARY_OF_WRITES
from config.errors import DomainError
from config.fast_path.request import Answer, PlainRequest
from config.hosts import is_port
from config.metrics import count_request
from config.middleware import API_HEADERS, request_id_of
from events.views import list_for_guest
from registrations.views import register_guest

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

MAX_BODY_BYTES = 10_000

# Headers that ask for something, which the views know how to give.
_ASKS_FOR_MORE = (
    "HTTP_AUTHORIZATION",
    "HTTP_IDEMPOTENCY_KEY",
    "HTTP_ORIGIN",
    "HTTP_PREFER",
    "HTTP_TIME_ZONE",
    "HTTP_TRANSFER_ENCODING",
)
_AROUND_EVERY_ANSWER = (
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
)


@dataclass(frozen=True)
class FastRoute:
    """One method of one route. `handle` gets the number in the path, where it has one.

    `route` is Django's pattern, which metrics are counted under; `allow` is what the view's Allow
    header says.
    """

    method: str
    path: re.Pattern[str]
    route: str
    allow: str
    cache_control: str
    handle: Callable[..., Answer | None]


ROUTES = (
    FastRoute(
        "POST",
        re.compile("/api/events/([1-9][0-9]{0,17})/register/?"),
        "api/events/<id:pk>/register/",
        "POST, OPTIONS",
        "no-store",
        register_guest,
    ),
    FastRoute(
        "GET",
        re.compile("/api/events/?"),
        "api/events/",
        "GET, POST, HEAD, OPTIONS",
        "no-cache",
        list_for_guest,
    ),
)


def with_fast_path(application: Application) -> Application:
    def handle(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        for route in ROUTES:
            if method == route.method and (match := route.path.fullmatch(path)):
                answer = _answer(route, environ, *map(int, match.groups()))
                if answer is None:
                    break
                start_response(_status_line(answer.status), list(answer.headers.items()))
                return [answer.body]
        return application(environ, start_response)

    return handle


def _answer(route: FastRoute, environ: dict[str, Any], *numbers: int) -> Answer | None:
    started = perf_counter()
    request = _plain(environ)
    if request is None:
        return None
    request_id = request_id_of(request)
    tokens = structlog.contextvars.bind_contextvars(request_id=request_id)
    try:
        answer = route.handle(request, *numbers)
    except Exception as exc:  # noqa: BLE001  # as in a view, whatever went wrong is answered
        answer = _refused(exc, request)
    finally:
        structlog.contextvars.reset_contextvars(**tokens)
    if answer is None:
        return None
    answer = _conditional(request, answer)
    scheme = request.site.partition(":")[0]
    headers = {
        **answer.headers,
        **headers_of_all(scheme, VARY if route.method == "GET" else VARY_OF_WRITES),
        "Allow": route.allow,
        "X-Request-ID": request_id,
    }
    if answer.status != 304:
        headers["Content-Length"] = str(len(answer.body))
    headers.setdefault("Cache-Control", route.cache_control)
    if settings.METRICS_NETWORKS:
        count_request(route.method, route.route, answer.status, perf_counter() - started)
    return answer._replace(headers=headers)


def _plain(environ: dict[str, Any]) -> PlainRequest | None:
    for name in _ASKS_FOR_MORE:
        if name in environ:
            return None
    host = environ.get("HTTP_HOST", "")
    length = environ.get("CONTENT_LENGTH") or "0"
    if (
        environ.get("SCRIPT_NAME")
        or not _is_ours(host)
        or not accepts(environ.get("HTTP_ACCEPT", ""), ("application/json",))
        or not (length.isascii() and length.isdigit() and len(length) < 6)
        or int(length) > MAX_BODY_BYTES
    ):
        return None
    scheme = _scheme(environ)
    if settings.SECURE_SSL_REDIRECT and scheme != "https":
        return None
    return PlainRequest(environ, f"{scheme}://{host}")


@bounded_cache(256)
def _is_ours(host: str) -> bool:
    domain, port = split_domain_port(host)
    return bool(domain) and is_port(port) and validate_host(domain, settings.ALLOWED_HOSTS)


def _scheme(environ: dict[str, Any]) -> str:
    """As `HttpRequest.scheme`."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        told = environ.get(name)
        if told is not None:
            return "https" if told.split(",", 1)[0].strip() == secure else "http"
    return str(environ["wsgi.url_scheme"])


def _refused(exc: Exception, request: PlainRequest) -> Answer:
    if not isinstance(exc, DomainError):
        request_finished.send(sender=_refused)  # a connection that broke is not kept
    error = logged_error(exc, lambda: WSGIRequest(request.META))
    headers = {"Content-Type": PROBLEM_TYPE, **error.headers}
    return Answer(error.status, to_json(problem_document(error)), headers)


def _conditional(request: PlainRequest, answer: Answer) -> Answer:
    if answer.status not in {200, 201}:
        return answer
    etag = etag_of(answer.body)
    headers = {**answer.headers, "ETag": etag}
    if request.META["REQUEST_METHOD"] == "GET" and matches_etag(
        request.META.get("HTTP_IF_NONE_MATCH"), etag
    ):
        return Answer(304, b"", headers)
    return Answer(answer.status, answer.body, {"Content-Type": "application/json", **headers})


@cache
def headers_of_all(scheme: str, vary: str) -> dict[str, str]:
    """What the middlewares around every view add to an answer of the API."""

    def answer(request: Any) -> HttpResponse:
        return HttpResponse(headers={**API_HEADERS, "Vary": vary})

    for name in reversed(settings.MIDDLEWARE):
        if name in _AROUND_EVERY_ANSWER:
            answer = import_string(name)(answer)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/", "wsgi.url_scheme": scheme}
    request = WSGIRequest({**environ, "wsgi.input": io.BytesIO()})
    headers = dict(answer(request).items())
    del headers["Content-Type"]
    return headers


@cache
def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"

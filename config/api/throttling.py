"""How many requests one caller may send: counted per scope and caller in the cache."""

import logging
import re
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:  # views read their throttles while they are imported
    from rest_framework.views import APIView


logger = logging.getLogger(__name__)


def client_address(request: HttpRequest | Request) -> str:
    """The caller's address as the outermost trusted proxy saw it.

    A caller can write anything into X-Forwarded-For, so only the entries that our own proxies
    appended count: the last `TRUSTED_PROXIES` ones.
    """
    direct = _plain_address(str(request.META.get("REMOTE_ADDR", "")))
    proxies = settings.TRUSTED_PROXIES
    if not proxies:
        return direct
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    hops = [hop for hop in hops if hop]
    return (_plain_address(hops[-min(proxies, len(hops))]) if hops else "") or direct


def _plain_address(text: str) -> str:
    """An IP address without the port that some proxies add; empty where it is none."""
    match = re.fullmatch(r"\[([^\]]+)\](?::\d+)?|([\d.]+)(?::\d+)?", text)
    try:
        return str(ip_address((match and (match[1] or match[2])) or text))
    except ValueError:
        return ""


class ScopedLimit(BaseThrottle):
    """A fixed window per scope: a view's `throttle_scope`, else `user` or `anonymous`.

    A view names its scope by method in `throttle_scopes`; a scope there is counted by address
    for guests and by account for users.
    """

    def __init__(self) -> None:
        self.seconds_left = 0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        user_id = request.user.pk if request.user else None
        scope = getattr(view, "throttle_scopes", {}).get(request.method)
        if scope is None:
            scope = "anonymous" if user_id is None else "user"
        limit = settings.RATE_LIMITS[scope]
        if limit is None:
            return True
        allowed, seconds = limit
        caller = client_address(request) if user_id is None else user_id
        now = time.time()
        window = int(now // seconds)
        self.seconds_left = int((window + 1) * seconds - now) + 1
        return _count(f"limit:{scope}:{caller}:{window}", seconds) <= allowed

    def wait(self) -> float:
        return self.seconds_left


def _count(key: str, seconds: int) -> int:
    """How many requests this window has seen; none when the cache is away, so that all may pass."""
    try:
        return _counted(key, seconds)
    except Exception:  # each backend has errors of its own
        logger.exception("rate limits are not counted: the cache is away")
        return 0


def _counted(key: str, seconds: int) -> int:
    if cache.add(key, 1, timeout=seconds + 1):
        return 1
    try:
        return cache.incr(key)
    except ValueError:  # it expired between the two calls
        return 1

"""Addresses of callers, and the throttle that limits their requests."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from ...fast_path.request import PlainRequest
from ..bounded_cache import bounded_cache
from .dry_runs import runs_dry
from .rate_limits import check_limit, seconds_to_wait

COUNTED = "api.counted"  # no header has such a name in a WSGI environment

if TYPE_CHECKING:  # its views import their throttles
    from rest_framework.views import APIView


def client_address(request: HttpRequest | Request | PlainRequest) -> str:
    """The caller's address as the outermost trusted proxy received it.

    A caller can write anything into X-Forwarded-For, so only the last `TRUSTED_PROXIES` entries
    count, which trusted proxies appended. Empty where the entry is not an address. The proxy's own
    address would give the caller the rights of the proxy's network.
    """
    direct = _plain_address(str(request.META.get("REMOTE_ADDR", "")))
    proxies = settings.TRUSTED_PROXIES
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if not proxies or forwarded is None:
        return direct
    hops = forwarded.split(",")
    return _plain_address(hops[-min(proxies, len(hops))].strip())


def client_network(request: HttpRequest | Request | PlainRequest) -> str:
    """The address for rate limits. For IPv6 it is the /64, which one customer has as a whole."""
    address = client_address(request)
    return str(IPv6Address(int(IPv6Address(address)) >> 64 << 64)) if ":" in address else address


@bounded_cache(4096)
def _plain_address(text: str) -> str:
    """An IP address without the port that some proxies add. Empty for other texts."""
    match = re.fullmatch(r"\[([^\]]+)\](?::\d+)?|([\d.]+)(?::\d+)?", text)
    try:
        address = ip_address(((match and (match[1] or match[2])) or text).partition("%")[0])
    except ValueError:
        return ""
    return str(_unmapped(address))


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """IPv4 for ::ffff:192.0.2.1, as sockets for both families write IPv4 addresses."""
    return getattr(address, "ipv4_mapped", None) or address


def count_guest(scope: str, request: PlainRequest) -> None:
    """Count a guest's request, once even if it is passed on to the view. Raises `RateLimited`."""
    check_limit(scope, client_network(request))
    request.META[COUNTED] = True


def count_account(scope: str, user_id: int, request: PlainRequest) -> None:
    """As `count_guest`, for a request with an access token."""
    check_limit(scope, f"user {user_id}")
    request.META[COUNTED] = True


def count_caller(scope: str, request: Request) -> None:
    """Count a request whose scope depends on its body. Raises `RateLimited`."""
    user_id = request.user.pk if request.user else None
    check_limit(scope, client_network(request) if user_id is None else f"user {user_id}")


class ScopedLimit(BaseThrottle):
    """A fixed window per scope: a view's `throttle_scope`, else `user` or `anonymous`.

    A view names its scopes by method in `throttle_scopes`. Guests are counted by address and users
    by account. A view that identifies guests otherwise has `counted_as(request)`.
    """

    def __init__(self) -> None:
        self.seconds_left = 0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if request.META.get(COUNTED):
            return True
        user_id = request.user.pk if request.user else None
        method = "GET" if request.method == "HEAD" else request.method  # it does the same work
        scope = getattr(view, "throttle_scopes", {}).get(method)
        if "dry_run" in request.META.get("QUERY_STRING", "") and runs_dry(view, request):
            scope = None  # the work is not done
        if scope is None:
            scope = "anonymous" if user_id is None else "user"
        if settings.RATE_LIMITS[scope] is None:
            return True
        guest = getattr(view, "counted_as", client_network)
        caller = guest(request) if user_id is None else f"user {user_id}"
        self.seconds_left = seconds_to_wait(scope, caller)
        return not self.seconds_left

    def wait(self) -> float:
        return self.seconds_left

"""Who is calling, and how many requests they may send."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from ...fast_path.request import PlainRequest
from ..bounded_cache import bounded_cache
from .rate_limits import check_limit, seconds_to_wait

COUNTED = "api.counted"  # no header has such a name in a WSGI environment

if TYPE_CHECKING:  # views read their throttles while they are imported
    from rest_framework.views import APIView


def client_address(request: HttpRequest | Request | PlainRequest) -> str:
    """The caller's address as the outermost trusted proxy saw it.

    A caller can write anything into X-Forwarded-For, so only the entries that our own proxies
    appended count: the last `TRUSTED_PROXIES` ones. Empty where that one is no address: to take
    the proxy's own in its place would give a stranger what the proxy's network may do.
    """
    direct = _plain_address(str(request.META.get("REMOTE_ADDR", "")))
    proxies = settings.TRUSTED_PROXIES
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if not proxies or forwarded is None:
        return direct
    hops = forwarded.split(",")
    return _plain_address(hops[-min(proxies, len(hops))].strip())


def client_network(request: HttpRequest | Request | PlainRequest) -> str:
    """The address as limits count it: of IPv6 the /64, all of which one customer has."""
    address = client_address(request)
    return str(IPv6Address(int(IPv6Address(address)) >> 64 << 64)) if ":" in address else address


@bounded_cache(4096)
def _plain_address(text: str) -> str:
    """An IP address without the port that some proxies add; empty where it is none."""
    match = re.fullmatch(r"\[([^\]]+)\](?::\d+)?|([\d.]+)(?::\d+)?", text)
    try:
        found = ip_address(((match and (match[1] or match[2])) or text).partition("%")[0])
    except ValueError:
        return ""
    return str(_unmapped(found))


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """A socket for both families tells IPv4 addresses as ::ffff:192.0.2.1."""
    return getattr(address, "ipv4_mapped", None) or address


def count_guest(scope: str, request: PlainRequest) -> None:
    """Before a plain request is answered. Who passes it on need not count it again.

    Raises `RateLimited`.
    """
    check_limit(scope, client_network(request))
    request.META[COUNTED] = True


def count_caller(scope: str, request: Request) -> None:
    """Count a request that only its body shows to be of this scope. Raises `RateLimited`."""
    user_id = request.user.pk if request.user else None
    check_limit(scope, client_network(request) if user_id is None else f"user {user_id}")


class ScopedLimit(BaseThrottle):
    """A fixed window per scope: a view's `throttle_scope`, else `user` or `anonymous`.

    A view names its scope by method in `throttle_scopes`; a scope there is counted by address
    for guests and by account for users. A view whose guests are told apart otherwise than by their
    address has `counted_as(request)`.
    """

    def __init__(self) -> None:
        self.seconds_left = 0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if request.META.get(COUNTED):
            return True
        user_id = request.user.pk if request.user else None
        method = "GET" if request.method == "HEAD" else request.method  # the same work
        scope = getattr(view, "throttle_scopes", {}).get(method)
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

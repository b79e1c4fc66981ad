"""Which URLs and addresses webhooks may reach.

A webhook must not reach the network in which the service runs. Its URL is checked when it is saved,
and the addresses of its name at every attempt, right before the connection to one of them.
"""

import re
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import BoundedSemaphore
from urllib.parse import SplitResult, urlsplit

import idna
from django.conf import settings

from config.errors import FieldError

Address = IPv4Address | IPv6Address

MAX_URL = 2000
_PORTS = {"https": 443, "http": 80}
_LOOKUP_SECONDS = 3.0
_URL = re.compile(r"[!-~]+")  # ASCII without spaces and control characters

_GLOBAL_IPV6 = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")
_6TO4 = ip_network("2002::/16")
# Beside what Python's `is_global` knows, which depends on its version.
_NOT_GLOBAL = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
            "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "64:ff9b:1::/48", "2001::/23",
            "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20",
        ),
    )
)  # fmt: skip

# A name server that hangs stops one request of a process at a time.
_waiter = BoundedSemaphore(1)
_lookups = ThreadPoolExecutor(16, thread_name_prefix="webhook-lookup")


@dataclass(frozen=True)
class Target:
    """Where a URL leads. `host` is an A-label or an address, `path` has the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def needs_opening(self) -> bool:
        """Whether only `WEBHOOK_NETWORKS` can allow it."""
        return self.scheme != "https" or self.port != _PORTS["https"]

    @property
    def authority(self) -> str:
        """The value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class InvalidUrl(ValueError):
    """The text is no URL of a web server."""


class AddressNotAllowed(Exception):
    """A name leads to an address that webhooks do not reach."""


@lru_cache(1000)
def parse(url: str) -> Target:
    """Raises `InvalidUrl`. Credentials are not looked at."""
    try:
        parts = urlsplit(_ascii_url(url))
        port = parts.port
    except ValueError as error:
        raise InvalidUrl from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.fragment or port == 0:
        raise InvalidUrl
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Target(parts.scheme, _host(parts), port or _PORTS[parts.scheme], path)


def _ascii_url(url: str) -> str:
    """The URL with an encoded name. The rest has to be encoded already."""
    scheme, separator, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    encoded = authority
    if not authority.isascii():
        encoded = idna.encode(authority, uts46=True).decode() if ":" not in authority else ""
        rest = encoded + rest[len(authority) :]
    if not separator or not encoded or not _URL.fullmatch(scheme + rest) or "\\" in rest:
        raise ValueError(url)
    return f"{scheme}://{rest}"


def _host(parts: SplitResult) -> str:
    """The host, as an address in its usual notation or as a name. Raises `InvalidUrl`."""
    host = (parts.hostname or "").removesuffix(".")
    if "[" in parts.netloc:
        try:
            return str(IPv6Address(host)) if "%" not in host else _fail()
        except ValueError as error:
            raise InvalidUrl from error
    if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)", host.rpartition(".")[2]):
        # As browsers do: such a name is an address, such as 127.1 or 0x7f000001.
        try:
            return str(IPv4Address(socket.inet_aton(host)))
        except (OSError, ValueError) as error:
            raise InvalidUrl from error
    if len(host) > 253 or not all(
        re.fullmatch(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", label) for label in host.split(".")
    ):
        raise InvalidUrl
    return host


def _fail() -> str:
    raise InvalidUrl


# --- Addresses ----------------------------------------------------------------------------------


def is_opened(address: Address) -> bool:
    """Whether `WEBHOOK_NETWORKS` has it."""
    return any(address in network for network in settings.WEBHOOK_NETWORKS)


def is_global(address: Address) -> bool:
    """Whether it is a global unicast address, also within NAT64 and 6to4."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_global(address.ipv4_mapped)
        if address in _NAT64:
            return is_global(IPv4Address(int(address) & 0xFFFFFFFF))
        if address in _6TO4:
            return is_global(IPv4Address(int(address) >> 80 & 0xFFFFFFFF))
        if address not in _GLOBAL_IPV6:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not any(
            address in network for network in _NOT_GLOBAL if network.version == address.version
        )
    )


def check_addresses(target: Target, addresses: Iterable[Address]) -> list[Address]:
    """The addresses of a name. Raises `AddressNotAllowed` unless every one may be reached."""
    checked = list(addresses)
    for address in checked:
        if not (is_opened(address) or (is_global(address) and not target.needs_opening)):
            raise AddressNotAllowed
    return checked


def look_up(host: str) -> list[Address]:
    """The addresses of a name, or the one that it is. Raises `OSError` where it has none."""
    if (literal := _literal(host)) is not None:
        return [literal]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(str(error)) from error
    texts = dict.fromkeys(str(each[4][0]) for each in found)
    return [_unmapped(ip_address(text.partition("%")[0])) for text in texts]


def _literal(host: str) -> Address | None:
    """The address that the host is. None for a name."""
    try:
        return _unmapped(ip_address(host))
    except ValueError:
        return None


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


# --- URLs that are saved ------------------------------------------------------------------------


def url_errors(url: str) -> list[FieldError]:
    """What is wrong with the URL of a webhook. A name that does not resolve yet may be saved."""
    try:
        parts = urlsplit(url)
        has_credentials = "@" in parts.netloc and "\\" not in parts.netloc
        target = parse(url.replace(parts.netloc, _without_credentials(parts.netloc), 1))
    except ValueError:
        return [FieldError("url", "invalid", _INVALID)]
    addresses = _look_up_in_time(target.host)
    is_open = bool(addresses) and all(map(is_opened, addresses))
    errors = []
    if has_credentials:
        errors.append(
            FieldError("url", "has_credentials", "Send the URL without a user name or password.")
        )
    if target.scheme != "https" and not is_open:
        errors.append(FieldError("url", "https_required", "The URL has to begin with https://."))
    if target.port != _PORTS[target.scheme] and not is_open:
        errors.append(FieldError("url", "port_not_allowed", "Only port 443 is allowed."))
    if not all(is_opened(each) or is_global(each) for each in addresses):
        detail = "The name has an address that is not public. Use a server on the internet."
        errors.append(FieldError("url", "address_not_allowed", detail))
    return errors


def _without_credentials(authority: str) -> str:
    """Browsers read a backslash as a slash, so it stays, and is invalid."""
    return authority if "\\" in authority else authority.rpartition("@")[2]


_INVALID = (
    "Send a URL such as https://hooks.example/events, without spaces and without a fragment (#)."
)


def _look_up_in_time(host: str) -> list[Address]:
    """The addresses. Empty where the name does not resolve in time, or another one is looked up.

    Then nothing is lost: every attempt checks the addresses again.
    """
    if (literal := _literal(host)) is not None:
        return [literal]
    if not _waiter.acquire(blocking=False):
        return []
    lookup = _lookups.submit(look_up, host)
    try:
        return lookup.result(_LOOKUP_SECONDS)
    except (OSError, TooLate, ValueError):
        lookup.cancel()
        return []
    finally:
        _waiter.release()

"""A check of the port in the `Host` header, where Django accepts any digits."""

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.http.request import split_domain_port


def is_port(text: str) -> bool:
    """Whether a port is valid: empty, or a number from 1 to 65535."""
    return not text or (len(text) <= 5 and 1 <= int(text) <= 65535)


def check_host(request: HttpRequest) -> None:
    """Raises `DisallowedHost` for an unknown host or an invalid port."""
    _, port = split_domain_port(request.get_host())
    if not is_port(port):
        raise DisallowedHost("The port of the Host header is none.")

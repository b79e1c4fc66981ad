"""The port of the `Host` header, of which Django takes any digits."""

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.http.request import split_domain_port


def is_port(text: str) -> bool:
    """Whether a port may be that: none, or a number from 1 to 65535."""
    return not text or (len(text) <= 5 and 1 <= int(text) <= 65535)


def check_host(request: HttpRequest) -> None:
    """Raises `DisallowedHost` for a host that is not ours, or one with a port that is none."""
    _, port = split_domain_port(request.get_host())
    if not is_port(port):
        raise DisallowedHost("The port of the Host header is none.")

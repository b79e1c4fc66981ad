"""Compression of public responses (RFC 9110, section 8.4).

A response is compressed only where a view says so (`is_compressed`), and only for guests. The
length of a compressed response reveals whether one text in it repeats another (the BREACH attack).
So nothing is compressed that may contain a secret beside a text that others can choose: tokens,
links, tickets, profiles, attendee lists and their exports, and what only an organizer sees of an
event.
"""

import zlib

from ..bounded_cache import bounded_cache

# Less than a few packets, which arrive together anyway.
MIN_BYTES = 4096
# A page of twenty events has 23 % of its size at level 1 and 21 % at level 6, for 0.13 and 0.47 ms.
_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS

# The latest compressed bodies by ETag. Of a popular page most requests get the same body. For the
# first page of events (28 KB, 0.27 ms of processor time in this process) compressing takes 0.24 ms,
# and a cached body nothing that could be measured. A feed of 1,000 events takes 3.8 ms, as much as
# everything else of its request.
_cached: dict[str, bytes] = {}
_MAX_CACHED = 128
_MAX_CACHED_BYTES = 128 * 1024


@bounded_cache(256)
def accepts_gzip(header: str) -> bool:
    """Whether `Accept-Encoding` accepts gzip (RFC 9110, section 12.5.3)."""
    weights = {}
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        weight = parameter.replace(" ", "").removeprefix("q=")
        weights[name.strip()] = weight.rstrip("0") not in {"", "0."} or not parameter
    return weights.get("gzip", weights.get("*", False))


def is_worthwhile(header: str | None, body: bytes) -> bool:
    """Whether to compress the body for a request with this `Accept-Encoding`."""
    return header is not None and len(body) >= MIN_BYTES and accepts_gzip(header)


def gzip_etag(etag: str) -> str:
    """The ETag of the compressed body. Each coding has its own (RFC 9110, section 8.8.3.3).

    `If-Match` accepts both: see `conditional.expected_version`.
    """
    return f'{etag[:-1]}.gzip"'


def compressed(body: bytes, etag: str) -> bytes:
    """The body in gzip format. `etag` identifies it."""
    known = _cached.get(etag)
    if known is not None:
        return known
    result = zlib.compress(body, _LEVEL, wbits=_GZIP)
    if len(result) <= _MAX_CACHED_BYTES:
        if len(_cached) >= _MAX_CACHED:
            _cached.clear()
        _cached[etag] = result
    return result

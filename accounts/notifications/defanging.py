"""Defangs the facts of a mail, so that mail clients make no links of them.

The recipient of a guarded mail may not have asked for it, and a stranger may have written the
names, places and messages in it. Mail clients make links of URLs, bare domains and addresses, in
plain text and in HTML. So these are written in a form that is readable and not a link:
`https[:]//evil[.]example/x`, `ann[at]evil[.]example`.

The facts are converted before rendering. So the service's own links stay, and templates, subjects
and attachments need no rules of their own.
"""

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from django.conf import settings
from django.db.models import Model

# Characters that are invisible between two letters: soft hyphen, zero width, direction, controls.
_INVISIBLE = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b-\u200f\u2060-\u206f\ufeff"
_LETTERS = r"[^\W\d_](?:[^\W_]|[^\x00-\x7f]|-)"  # a letter, then a letter, digit, mark or hyphen
_LINKED = re.compile(
    r"(?=[.:@\\\u2024\u3002\uff0e\uff20\uff61])(?:"
    # The dot of a domain, but not of a number or of an abbreviation such as U.S. or e.g.
    rf"(?P<dot>(?<=[^\s.])[.\uff0e\uff61\u2024](?=[{_INVISIBLE}]*{_LETTERS})"
    rf"|(?<=\S)\u3002(?=[{_INVISIBLE}]*[A-Za-z])"  # in Japanese and Chinese also a full stop
    r"|(?<=\bwww)\.(?=\S)"
    r"|(?<=\d)\.(?=\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.]))"  # of an IPv4 address the first one
    r")"
    r"|(?P<at>(?<=\S)[@\uff20](?=\S))"
    r"|(?P<colon>:(?=[/\\]{2})"
    r"|(?<=\bmailto):|(?<=\btel):|(?<=\bsms):|(?<=\bfile):|(?<=\bdata):|(?<=\bjavascript):)"
    r"|(?P<share>\\\\(?=\S)))",  # a file server's name on Windows
    re.IGNORECASE,
)
_HARMLESS = {"dot": "[.]", "at": "[at]", "colon": "[:]", "share": "\\ \\"}
_OWN_PATH = r"(?:/[\w/?=&.,:%~-]*)?"
#: The facts that are links of the service. In any other fact, even a link to the service is a
#: stranger's, such as one that opens the stranger's own account.
_OWN_LINKS = frozenset({"link", "manage_url", "confirm_url", "feedback_url", "page_url"})


def defanged_text(text: str) -> str:
    """The text without anything that mail clients make a link of.

    >>> defanged_text("Free seats: https://evil.example/x or ann@evil.example, at 14.30")
    'Free seats: https[:]//evil[.]example/x or ann[at]evil[.]example, at 14.30'
    """
    return _LINKED.sub(lambda match: _HARMLESS[match.lastgroup or "dot"], text)


def defanged_facts(facts: Mapping[str, Any], *, recipient: str) -> dict[str, Any]:
    """The facts for the templates and attachments of a guarded mail.

    All text is defanged: in the facts, and in the attributes of objects among them. Exceptions are
    the service's own links and the recipient's address. By `is_guarded`, templates omit links that
    a stranger entered, such as the link of a meeting.
    """
    guard = _Guard(recipient)
    defanged = {name: guard.fact(name, value) for name, value in facts.items()}
    return {**defanged, "is_guarded": True}


class _Guard:
    def __init__(self, recipient: str) -> None:
        self._recipient = recipient

    def fact(self, name: str, value: Any) -> Any:
        is_own_link = (
            name in _OWN_LINKS
            and isinstance(value, str)
            and re.fullmatch(re.escape(settings.PUBLIC_URL) + _OWN_PATH, value)
        )
        return value if is_own_link else self.value(value)

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if value == self._recipient else defanged_text(str(value))
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if isinstance(value, Model) or (is_dataclass(value) and not isinstance(value, type)):
            return _Guarded(value, self)
        return value


class _Guarded:
    """A proxy of an object, with defanged text."""

    def __init__(self, value: object, guard: _Guard) -> None:
        self._value = value
        self._guard = guard

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._value, name)
        if callable(attribute):
            return lambda *args, **kwargs: self._guard.value(attribute(*args, **kwargs))
        return self._guard.value(attribute)

    def __str__(self) -> str:
        return str(self._guard.value(str(self._value)))

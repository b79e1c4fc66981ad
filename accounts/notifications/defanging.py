"""Facts of a mail without anything that a mail client makes a link of.

A mail that is taken from a mailbox's budget goes to somebody who may never have asked for it, and
names, places and messages in it are what a stranger typed. Mail clients make links of URLs, of
bare domains and of addresses, in plain text and in HTML alike. So these are written as people
write them who do not want them followed: `https[:]//evil[.]example/x`, `ann[at]evil[.]example`.

Facts are converted and not the finished mail: so the service's own links stay, and templates,
subjects and attached files need no rule of their own.
"""

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from django.conf import settings
from django.db.models import Model

# What is invisible between two letters: soft hyphen, zero width, marks of direction, controls.
_UNSEEN = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b-\u200f\u2060-\u206f\ufeff"
_LETTERS = r"[^\W\d_](?:[^\W_]|[^\x00-\x7f]|-)"  # a letter, then a letter, digit, mark or hyphen
_LINKED = re.compile(
    r"(?=[.:@\\\u2024\u3002\uff0e\uff20\uff61])(?:"
    # The dot of a domain, but not of a number or of an abbreviation such as U.S. or e.g.
    rf"(?P<dot>(?<=[^\s.])[.\uff0e\uff61\u2024](?=[{_UNSEEN}]*{_LETTERS})"
    rf"|(?<=\S)\u3002(?=[{_UNSEEN}]*[A-Za-z])"  # in Japanese and Chinese also a full stop
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
#: The facts that are links of the service. Any other text with such a link is a stranger's: one
#: that opens the stranger's own account or registration, for example.
_OWN_LINKS = frozenset({"link", "manage_url", "feedback_url"})


def defanged_text(text: str) -> str:
    """The text with nothing that a mail client links.

    >>> defanged_text("Free seats: https://evil.example/x or ann@evil.example, at 14.30")
    'Free seats: https[:]//evil[.]example/x or ann[at]evil[.]example, at 14.30'
    """
    return _LINKED.sub(lambda match: _HARMLESS[match.lastgroup or "dot"], text)


def defanged_facts(facts: Mapping[str, Any], *, recipient: str) -> dict[str, Any]:
    """The facts as templates and attachments may show them in a guarded mail.

    Text is defanged wherever it is: in the facts, and in what is read of the objects among them.
    Exceptions are the service's own links and the recipient's address. `is_guarded` tells
    templates that a link which a stranger gave, such as that of a meeting, is not for this mail.
    """
    guard = _Guard(recipient)
    shown = {name: guard.fact(name, value) for name, value in facts.items()}
    return {**shown, "is_guarded": True}


class _Guard:
    def __init__(self, recipient: str) -> None:
        self._recipient = recipient

    def fact(self, name: str, value: Any) -> Any:
        is_own_link = (
            name in _OWN_LINKS
            and isinstance(value, str)
            and re.fullmatch(re.escape(settings.PUBLIC_URL) + _OWN_PATH, value)
        )
        return value if is_own_link else self.shown(value)

    def shown(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if value == self._recipient else defanged_text(str(value))
        if isinstance(value, dict):
            return {key: self.shown(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.shown(item) for item in value]
        if isinstance(value, Model) or (is_dataclass(value) and not isinstance(value, type)):
            return _Guarded(value, self)
        return value


class _Guarded:
    """Reads like the object, with defanged text."""

    def __init__(self, value: object, guard: _Guard) -> None:
        self._value = value
        self._guard = guard

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._value, name)
        if callable(found):
            return lambda *args, **kwargs: self._guard.shown(found(*args, **kwargs))
        return self._guard.shown(found)

    def __str__(self) -> str:
        return str(self._guard.shown(str(self._value)))

"""Why an event was found: its texts with the words that were looked for marked.

The text is escaped and then marked, so `headline` is safe to put into a page as it is.
"""

import html
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from config.api.replica import reading_connection

from .search import Search

if TYPE_CHECKING:
    from .models import Event

# Letters and digits, as the search itself parts words; a description is looked through so far.
_WORD = re.compile(r"[^\W_]+")
_LOOKED_THROUGH = 5_000
_BEFORE, _AFTER = 60, 140


class Marker:
    """Marks the words of one search in the texts of one page."""

    def __init__(self, search: Search, events: Iterable["Event"]) -> None:
        self._beginnings = tuple(
            {word.text for word in search.words}
            | {other for words in search.corrections.values() for other in words}
        )
        self._whole = {word.text for phrase in search.phrases for word in phrase}
        texts = (text for event in events for text in _texts(event))
        self._folded = _fold(word for text in texts for word in _WORD.findall(text))

    def headline(self, event: "Event") -> str:
        """The name, then what else has a match: the location, a part of the description."""
        name, location, description = _texts(event)
        parts = [self._marked(name)]
        if self._places(location):
            parts.append(self._marked(location))
        if places := self._places(description):
            begin, end = _around(description, places[0][0])
            cut_off = "… " if begin else ""
            goes_on = " …" if end < len(event.description) else ""
            parts.append(f"{cut_off}{self._marked(description[begin:end])}{goes_on}")
        return " · ".join(parts)

    def _places(self, text: str) -> list[tuple[int, int]]:
        return [found.span() for found in _WORD.finditer(text) if self._is_wanted(found[0])]

    def _is_wanted(self, word: str) -> bool:
        # Some letters fold to several words.
        return any(
            part in self._whole or part.startswith(self._beginnings)
            for part in self._folded.get(word, word.lower()).split()
        )

    def _marked(self, text: str) -> str:
        pieces, done = [], 0
        for begin, end in self._places(text):
            pieces += [html.escape(text[done:begin]), "<mark>", html.escape(text[begin:end])]
            pieces.append("</mark>")
            done = end
        return "".join(pieces) + html.escape(text[done:])


def _texts(event: "Event") -> Sequence[str]:
    return event.name, event.location, event.description[:_LOOKED_THROUGH]


def _around(text: str, place: int) -> tuple[int, int]:
    """A part of the text around a place, that cuts no word."""
    begin, end = max(0, place - _BEFORE), min(len(text), place + _AFTER)
    while 0 < begin < place and not text[begin - 1].isspace():
        begin += 1
    while place < end < len(text) and not text[end].isspace():
        end -= 1
    return begin, end if end > place else min(len(text), place + _AFTER)


def _fold(words: Iterable[str]) -> dict[str, str]:
    """Words beyond ASCII as the search has them folded: PostgreSQL knows the accents."""
    foreign = sorted({word for word in words if not word.isascii()})
    if not foreign:
        return {}
    with reading_connection().cursor() as cursor:
        cursor.execute("SELECT word, search_words(word) FROM unnest(%s::text[]) AS word", [foreign])
        return dict(cursor.fetchall())

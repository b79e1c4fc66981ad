"""Why an event was found: its texts with the words that were looked for marked.

The text is escaped and then marked, so `headline` is safe to put into a page as it is.
"""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from config.api.sql.replica import reading_connection
from config.api.text.folding import fold_texts

from .query import Search
from .scripts import IN_RUNS, letters_in_run, words_in_text

if TYPE_CHECKING:
    from ..models import Event

# A description is looked through so far.
_LOOKED_THROUGH = 5_000
_BEFORE, _AFTER = 60, 140

_PLAIN = re.compile("[A-Za-z0-9]+")

Place = tuple[int, int]


class Marker:
    """Marks the words of one search in the texts of one page."""

    def __init__(self, search: Search, events: Iterable["Event"]) -> None:
        self._beginnings = tuple(
            {word.text for word in search.words}
            | {other for words in search.corrections.values() for other in words}
        )
        self._whole = {word.text for phrase in search.phrases for word in phrase}
        self._whole |= {word.stem for word in search.words if word.stem}
        self._runs = search.runs
        words: set[str] = set()
        letters: set[str] = set()
        for text in (text for event in events for text in _texts(event)):
            for word in words_in_text().findall(text):
                if IN_RUNS.match(word):
                    letters.update(letters_in_run().findall(word) if self._runs else ())
                else:
                    words.add(word)
        self._split = _split(words)
        self._folded = fold_texts(letters)

    def headline(self, event: "Event") -> str:
        """The name, then what else has a match: the location, a part of the description."""
        name, location, description = _texts(event)
        parts = [self._marked(name)]
        if any(self._places(location)):
            parts.append(self._marked(location))
        if first := next(self._places(description), None):
            begin, end = _around(description, first[0])
            cut_off = "… " if begin else ""
            goes_on = " …" if end < len(event.description) else ""
            parts.append(f"{cut_off}{self._marked(description[begin:end])}{goes_on}")
        return " · ".join(parts)

    def _places(self, text: str) -> Iterator[Place]:
        for found in words_in_text().finditer(text):
            word = found[0]
            if IN_RUNS.match(word):
                for begin, end in self._places_in_run(word):
                    yield found.start() + begin, found.start() + end
            elif self._is_wanted(word):
                yield found.span()

    def _is_wanted(self, word: str) -> bool:
        # Some letters fold to several words.
        return any(
            part in self._whole
            or part.startswith(self._beginnings)
            or any(run in part for run in self._runs)
            for part in self._split.get(word, [word.lower()])
        )

    def _places_in_run(self, run: str) -> list[Place]:
        """Where the runs that are looked for are in a longer one; none overlap."""
        letters = [(found.span(), found[0]) for found in letters_in_run().finditer(run)]
        # Of each folded letter the one that it was.
        folded, places = "", []
        for span, letter in letters:
            text = self._folded.get(letter, letter)
            folded += text
            places += [span] * len(text)
        wanted = sorted(
            (found.start(), -found.end())
            for each in self._runs
            for found in re.finditer(re.escape(each), folded)
        )
        marked: list[Place] = []
        for start, end in wanted:
            begin, stop = places[start][0], places[-end - 1][1]
            if marked and begin <= marked[-1][1]:
                marked[-1] = marked[-1][0], max(stop, marked[-1][1])
            else:
                marked.append((begin, stop))
        return marked

    def _marked(self, text: str) -> str:
        pieces, done = [], 0
        for begin, end in self._places(text):
            pieces += [html.escape(text[done:begin]), "<mark>", html.escape(text[begin:end])]
            pieces.append("</mark>")
            done = end
        return "".join(pieces) + html.escape(text[done:])


def _texts(event: "Event") -> Sequence[str]:
    return event.name, event.location, event.description[:_LOOKED_THROUGH]


def _around(text: str, place: int) -> Place:
    """A part of the text around a place, that cuts no word."""
    begin, end = max(0, place - _BEFORE), min(len(text), place + _AFTER)
    while 0 < begin < place and not (text[begin - 1].isspace() or _is_in_run(text, begin)):
        begin += 1
    while place < end < len(text) and not (text[end].isspace() or _is_in_run(text, end)):
        end -= 1
    return begin, end if end > place else min(len(text), place + _AFTER)


def _is_in_run(text: str, place: int) -> bool:
    """Whether the letters before and after a place are of scripts that have no spaces."""
    return bool(IN_RUNS.match(text[place - 1]) and IN_RUNS.match(text[place]))


def _split(words: Iterable[str]) -> dict[str, list[str]]:
    """Words that are not plain as the search has them folded: the database knows the accents."""
    foreign = sorted(word for word in words if not _PLAIN.fullmatch(word))
    if not foreign:
        return {}
    with reading_connection().cursor() as cursor:
        cursor.execute("SELECT word, search_text(word) FROM unnest(%s::text[]) AS word", [foreign])
        return {word: folded.split() for word, folded in cursor.fetchall()}

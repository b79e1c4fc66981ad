"""Headlines of search results: the texts of an event with its matches marked.

The text is escaped first and marked then, so `headline` is safe HTML.
"""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from config.api.sql.replica import reading_connection
from config.api.text.folding import fold_texts

from .query import Search
from .scripts import UNSPACED_LETTER, letters_in_run, words_in_text

if TYPE_CHECKING:
    from ..models import Event

# Characters of a description that are searched for matches.
_MAX_DESCRIPTION_LENGTH = 5_000
# Characters of an excerpt before and after its first match.
_BEFORE, _AFTER = 60, 140

_PLAIN_WORD = re.compile("[A-Za-z0-9]+")

# The begin and the end of a part of a text, as in a slice.
Range = tuple[int, int]


class Highlighter:
    """Marks the matches of one search in the texts of the events of one page."""

    def __init__(self, search: Search, events: Iterable["Event"]) -> None:
        self._prefixes = tuple(
            {word.text for word in search.words}
            | {correction for words in search.corrections.values() for correction in words}
        )
        self._whole_words = {word.text for phrase in search.phrases for word in phrase}
        self._whole_words |= {word.plain_word for word in search.words if word.plain_word}
        self._runs = search.runs
        words: set[str] = set()
        letters: set[str] = set()
        for text in (text for event in events for text in _texts(event)):
            for word in words_in_text().findall(text):
                if UNSPACED_LETTER.match(word):
                    letters.update(letters_in_run().findall(word) if self._runs else ())
                else:
                    words.add(word)
        self._folded_words = _fold_words(words)
        self._folded_letters = fold_texts(letters)

    def headline(self, event: "Event") -> str:
        """HTML of the name, of a location with a match, and of an excerpt around a match."""
        name, location, description = _texts(event)
        parts = [self._marked(name)]
        if any(self._matches(location)):
            parts.append(self._marked(location))
        if first := next(self._matches(description), None):
            begin, end = _excerpt(description, first[0])
            before = "… " if begin else ""
            after = " …" if end < len(event.description) else ""
            parts.append(f"{before}{self._marked(description[begin:end])}{after}")
        return " · ".join(parts)

    def _matches(self, text: str) -> Iterator[Range]:
        for match in words_in_text().finditer(text):
            word = match[0]
            if UNSPACED_LETTER.match(word):
                for begin, end in self._matches_in_run(word):
                    yield match.start() + begin, match.start() + end
            elif self._is_match(word):
                yield match.span()

    def _is_match(self, word: str) -> bool:
        # Some letters fold to several words.
        return any(
            part in self._whole_words
            or part.startswith(self._prefixes)
            or any(run in part for run in self._runs)
            for part in self._folded_words.get(word, [word.lower()])
        )

    def _matches_in_run(self, run: str) -> list[Range]:
        """The matches within an unspaced run. Overlapping ones are merged."""
        # `sources` has the range of the original letter of each folded letter.
        folded = ""
        sources: list[Range] = []
        for letter in letters_in_run().finditer(run):
            text = self._folded_letters.get(letter[0], letter[0])
            folded += text
            sources += [letter.span()] * len(text)
        matches = sorted(
            (match.start(), -match.end())
            for searched in self._runs
            for match in re.finditer(re.escape(searched), folded)
        )
        ranges: list[Range] = []
        for start, negative_end in matches:
            begin, end = sources[start][0], sources[-negative_end - 1][1]
            if ranges and begin <= ranges[-1][1]:
                ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
            else:
                ranges.append((begin, end))
        return ranges

    def _marked(self, text: str) -> str:
        pieces, done = [], 0
        for begin, end in self._matches(text):
            pieces += [html.escape(text[done:begin]), "<mark>", html.escape(text[begin:end])]
            pieces.append("</mark>")
            done = end
        return "".join(pieces) + html.escape(text[done:])


def _texts(event: "Event") -> Sequence[str]:
    return event.name, event.location, event.description[:_MAX_DESCRIPTION_LENGTH]


def _excerpt(text: str, match_start: int) -> Range:
    """The range of an excerpt around a match. It does not cut words."""
    begin, end = max(0, match_start - _BEFORE), min(len(text), match_start + _AFTER)
    while 0 < begin < match_start and not _is_border(text, begin, text[begin - 1]):
        begin += 1
    while match_start < end < len(text) and not _is_border(text, end, text[end]):
        end -= 1
    return begin, end if end > match_start else min(len(text), match_start + _AFTER)


def _is_border(text: str, index: int, neighbour: str) -> bool:
    """Whether a cut before `index`, beside the character `neighbour`, cuts no word."""
    if neighbour.isspace():
        return True
    return bool(UNSPACED_LETTER.match(text[index - 1]) and UNSPACED_LETTER.match(text[index]))


def _fold_words(words: Iterable[str]) -> dict[str, list[str]]:
    """The words that are not plain ASCII, folded as the search folds them, by the database."""
    foreign = sorted(word for word in words if not _PLAIN_WORD.fullmatch(word))
    if not foreign:
        return {}
    with reading_connection().cursor() as cursor:
        cursor.execute("SELECT word, search_text(word) FROM unnest(%s::text[]) AS word", [foreign])
        return {word: folded.split() for word, folded in cursor.fetchall()}

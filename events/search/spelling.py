"""Spelling correction: the words of events that are nearest to a misspelt word of a search."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from config.api.sql.replica import reading_connection
from config.api.sql.time_limits import TookTooLong, limited

from .query import MAX_EVENTS_OF_HIDDEN_WORD, Search, operand

logger = logging.getLogger(__name__)

# A misspelt word is compared with all correcting words that share trigrams with it.
MAX_MISSPELT_WORDS = 3
MAX_CORRECTIONS = 5

# Of the comparison, whose time grows with the vocabulary. Beyond it there are no corrections.
LIMIT_MILLISECONDS = 250

_SIMILAR_WORDS = """
    SELECT given.word, near.word, near.in_headings, near.in_texts
    FROM unnest(%s::text[]) AS given(word), search_near(given.word) AS near
    UNION ALL
    SELECT given.word, known.word, known.in_headings, coalesce(known.in_texts, 0)
    FROM unnest(%s::text[], %s::text[]) AS given(word, swapped)
    JOIN events_searchword AS known
        ON known.word = given.swapped COLLATE "C"
            AND known.corrects AND known.in_texts IS DISTINCT FROM 0
"""

# The matching events are read from the index first. Event by event, a word without a public event
# would read the whole table.
_HIDDEN_WORDS = """
    SELECT given.word FROM unnest(%s::text[], %s::text[]) AS given(word, query)
    WHERE NOT EXISTS (
        WITH matching AS MATERIALIZED (
            SELECT status, deleted_at, visibility FROM events_event
            WHERE search_vector @@ given.query::tsquery
        )
        SELECT FROM matching
        WHERE status <> 'draft' AND deleted_at IS NULL AND visibility = 'public'
    )
"""


def relax(search: Search) -> Search:
    """Adds corrections of known words, for a search that matches nothing without them."""
    words = [word for word in search.words if not word.plain_word]
    rarest_first = sorted(words, key=lambda word: word.in_texts)
    corrections = correct([word.text for word in rarest_first])
    return replace(search, corrections=corrections, is_final=True)


def correct(words: Sequence[str]) -> dict[str, list[str]]:
    """The nearest words of events for each word, at one or two edits from it.

    A swap of two neighbouring letters is one edit. Words with digits are not corrected: next year
    is not a misspelling of this one. Words without corrections are left out. The result is empty
    when the comparison takes longer than `LIMIT_MILLISECONDS`.
    """
    correctable = [word for word in dict.fromkeys(words) if _max_edits(word)][:MAX_MISSPELT_WORDS]
    if not correctable:
        return {}
    try:
        with limited(reading_connection(), milliseconds=LIMIT_MILLISECONDS):
            return _nearest_words(correctable)
    except TookTooLong:
        logger.warning("no corrections: comparing words took longer than the limit")
        return {}


def _nearest_words(words: Sequence[str]) -> dict[str, list[str]]:
    # A candidate is (edits, -in_headings, -in_texts, word): the best one sorts first.
    candidates: dict[str, set[tuple[int, int, int, str]]] = {}
    with reading_connection().cursor() as cursor:
        # A short word with two letters swapped hardly shares a trigram with the right one.
        swaps = [(word, swapped) for word in words for swapped in _swapped(word)]
        cursor.execute(
            _SIMILAR_WORDS, [list(words), [word for word, _ in swaps], [text for _, text in swaps]]
        )
        for word, similar, in_headings, in_texts in cursor.fetchall():
            edits = edit_distance(word, similar)
            if 0 < edits <= _max_edits(word):
                candidate = (edits, -in_headings, -in_texts, similar)
                candidates.setdefault(word, set()).add(candidate)
    rare_words = {
        candidate[-1]
        for group in candidates.values()
        for candidate in group
        if -candidate[2] <= MAX_EVENTS_OF_HIDDEN_WORD
    }
    hidden = hidden_words({word: operand(word) for word in rare_words})
    corrections = {}
    for word, group in candidates.items():
        ranked = sorted(candidate for candidate in group if candidate[-1] not in hidden)
        if ranked:
            best = ranked[:MAX_CORRECTIONS]
            corrections[word] = [each[-1] for each in best if each[0] == ranked[0][0]]
    return corrections


def hidden_words(queries: Mapping[str, str]) -> set[str]:
    """The words that only drafts, unlisted and deleted events have.

    `queries` has the tsquery of each word.

    Corrections would reveal these words to everybody.
    """
    if not queries:
        return set()
    with reading_connection().cursor() as cursor:
        cursor.execute(_HIDDEN_WORDS, [list(queries), list(queries.values())])
        return {word for (word,) in cursor.fetchall()}


def _max_edits(word: str) -> int:
    if len(word) < 4 or re.search("[0-9]", word):
        return 0
    return 1 if len(word) < 5 else 2


def _swapped(word: str) -> list[str]:
    """The word with each pair of neighbouring letters swapped."""
    return [
        word[:index] + word[index + 1] + word[index] + word[index + 2 :]
        for index in range(len(word) - 1)
    ]


def edit_distance(one: str, other: str) -> int:
    """The number of letters to insert, delete, replace or swap with their neighbour.

    >>> edit_distance("pyhton", "python"), edit_distance("konferense", "conference")
    (1, 2)
    """
    row_before: list[int] = []
    row_above = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        current = [row]
        for column, other_letter in enumerate(other, start=1):
            best = min(
                current[column - 1] + 1,
                row_above[column] + 1,
                row_above[column - 1] + (letter != other_letter),
            )
            is_swap = row > 1 and column > 1 and letter == other[column - 2]
            if is_swap and one[row - 2] == other_letter:
                best = min(best, row_before[column - 2] + 1)
            current.append(best)
        row_before, row_above = row_above, current
    return row_above[-1]

"""Conditions for parts of names and locations that are too short for the trigram index."""

import unicodedata

from django.db.models import F, Q

from config.api.sql.replica import reading_connection
from config.api.sql.time_limits import TookTooLong, limited

from ..models.search_word import HeadingWords
from .query import Matches, Query, operand

# Shorter texts have no trigram.
TRIGRAM_LENGTH = 3

# With more words than this that contain the part, a walk along the ordering finds an event soon.
MAX_WORDS_WITH_PART = 50

# Of the search for such words, whose time grows with the vocabulary.
LIMIT_MILLISECONDS = 250

_WORDS_WITH_PART = """
    SELECT DISTINCT word FROM events_searchword WHERE strpos(word, %s) > 0 LIMIT %s
"""


def short_part_condition(text: str) -> Q:
    """A necessary condition that an index answers, for names and locations that contain `text`.

    A part without a space is within a word, so the event has one of the words that contain it. The
    condition is empty when the part is long enough for trigrams, when it is not within one word,
    or when too many words contain it.
    """
    if folded_length(text) >= TRIGRAM_LENGTH:
        return Q()
    connection = reading_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT text_fold(%s), btrim(search_text(%s))", [text, text])
        part, word = cursor.fetchone()
        if part != word:
            return Q()
        try:
            with limited(connection, milliseconds=LIMIT_MILLISECONDS):
                cursor.execute(_WORDS_WITH_PART, [part, MAX_WORDS_WITH_PART + 1])
                words = [word for (word,) in cursor.fetchall()]
        except TookTooLong:
            return Q()
    if len(words) > MAX_WORDS_WITH_PART:
        return Q()
    if not words:
        return Q(pk=0)
    heading = HeadingWords(F("search_vector"))
    return Q(Matches(heading, Query(" | ".join(operand(word) for word in words))))


def folded_length(text: str) -> int:
    """The number of letters without their marks; at most a few too many."""
    decomposed = unicodedata.normalize("NFKD", text)
    return sum(not unicodedata.combining(letter) for letter in decomposed)

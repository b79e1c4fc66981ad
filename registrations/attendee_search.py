"""Finding attendees by words of their names and addresses, in any order."""

import re

from django.db import connection
from django.db.models import BooleanField, F, Func, Q, Value

MAX_WORDS = 12

# White space, and punctuation that stands between words.
_BETWEEN = re.compile(r"[\s,;/()\"]+")


class NameContains(Func):
    """Whether the words of a name, as `attendee_words` has them, contain a part of themselves."""

    template = "(attendee_words(%(expressions)s))"
    arg_joiner = ") LIKE ("
    output_field = BooleanField()

    def __init__(self, words: str) -> None:
        # What parts words is a space by now, the wildcards of LIKE too.
        super().__init__(F("name"), Value(f"%{words}%"))


def attendees_with(text: str) -> Q:
    """Registrations that have each word in the name or in the address.

    A word may be a part of one. Accents, case and apostrophes do not matter; a hyphen or a dot is
    nothing or a space. Without a word nothing matches.
    """
    words = [word for word in _BETWEEN.split(text) if word][:MAX_WORDS]
    if not words:
        return Q(pk__in=[])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attendee_words(word)"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS given(word, place) ORDER BY place",
            [words],
        )
        folded = [name for (name,) in cursor.fetchall()]
    condition = Q()
    for word, name in zip(words, folded, strict=True):
        has_word = Q(email__contains=word.lower())
        if "@" in word:
            has_word |= Q(email=word)  # in any spelling of the mailbox
        for spelling in filter(None, dict.fromkeys(name.split("\n"))):
            has_word |= Q(NameContains(spelling))
        condition &= has_word
    return condition

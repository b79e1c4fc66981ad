"""Finding attendees by words of their names and addresses, in any order."""

import re

from django.db import connection
from django.db.models import BooleanField, Func, Q, TextField, Value

MAX_WORDS = 12

# White space, and punctuation that stands between words.
_BETWEEN = re.compile(r"[\s,;/()\"]+")


class Words(Func):
    """The folded words of a name."""

    function = "attendee_words"
    output_field = TextField()


class Contains(Func):
    """Whether a text contains another one.

    The planner takes a comparison of numbers to be true of a third of the rows. So it walks along
    the order of the list until a page is full. By its guess for LIKE it would read all attendees
    and sort those found, however common they are.
    """

    function = "strpos"
    template = "(%(function)s(%(expressions)s) > 0)"
    output_field = BooleanField()

    def __init__(self, text: str | Words, part: str) -> None:
        super().__init__(text, Value(part))


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
        has_word = Q(Contains("email", word.lower()))
        if "@" in word:
            has_word |= Q(email=word)  # in any spelling of the mailbox
        for spelling in filter(None, dict.fromkeys(name.split("\n"))):
            has_word |= Q(Contains(Words("name"), spelling))
        condition &= has_word
    return condition

"""Attendee search by words of names and addresses, in any order."""

import re

from django.db.models import BooleanField, Func, Q, TextField, Value

from config.api.sql.compiled_queries import call_functions

MAX_WORDS = 12

# White space and punctuation that separate words.
_SEPARATORS = re.compile(r"[\s,;/()\"]+")


class Words(Func):
    """The folded words of a name."""

    function = "attendee_words"
    output_field = TextField()


class Contains(Func):
    """Whether a text contains another one, as a comparison of `strpos` with 0.

    The planner estimates that such a comparison is true for a third of the rows. So it scans the
    index in the order of the list until the page is full. With its estimate for LIKE it would read
    all attendees and sort the matches, however many there are.
    """

    function = "strpos"
    template = "(%(function)s(%(expressions)s) > 0)"
    output_field = BooleanField()

    def __init__(self, text: str | Words, part: str) -> None:
        super().__init__(text, Value(part))


def attendees_with(text: str, *, in_addresses: bool = True) -> Q:
    """The condition for registrations with each word of `text` in the name or the address.

    Without `in_addresses` a word is found in names alone.

    A word matches inside a longer one. Accents, case and apostrophes do not matter. A hyphen or a
    dot matches a space or nothing. A text without words matches nothing.
    """
    words = [word for word in _SEPARATORS.split(text) if word][:MAX_WORDS]
    if not words:
        return Q(pk__in=[])
    folded = call_functions(
        "SELECT attendee_words(word)"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS row(word, position) ORDER BY position",
        [words],
    )
    condition = Q()
    for word, (name,) in zip(words, folded, strict=True):
        has_word = Q(pk__in=[])
        if in_addresses:
            has_word |= Q(Contains("email", word.lower()))
            if "@" in word:
                has_word |= Q(email=word)  # in any spelling of the mailbox
        for spelling in filter(None, dict.fromkeys(name.split("\n"))):
            has_word |= Q(Contains(Words("name"), spelling))
        condition &= has_word
    return condition

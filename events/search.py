"""Finding events by words.

Every word has to be found, in any order, as the beginning of a word of the event's name, location,
category or description; case and accents are folded. A word that none of the events has is taken
for a misspelling, and found in names, locations and categories but for one or two letters.

The columns `search_vector` and `search_text` and the functions `search_…` are made by the app's
migrations.
"""

from typing import Any

from django.contrib.postgres.search import SearchQueryField
from django.db.models import BooleanField, F, FloatField, Func, Q, TextField, Value
from django.db.models.functions import Cast

from config.api.replica import reading_connection

from .models import EventQuerySet

MAX_WORDS = 12

# Each costs a look through all that shares letters with it.
MAX_MISSPELT = 2

_WORDS = """
    SELECT word FROM unnest(%s::text[]) WITH ORDINALITY AS given(word, place)
    WHERE search_query(word) IS NOT NULL ORDER BY place
"""


class Matches(Func):
    """`vector @@ query`: the text has every word of the query."""

    arg_joiner = " @@ "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class LooksLike(Func):
    """`text %> word`: some part of the text looks like the word (pg_trgm)."""

    arg_joiner = " %%> "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class Resembles(Func):
    """One of the text's words is the word but for one or two letters."""

    function = "search_resembles"
    output_field = BooleanField()


def _query(words: list[str]) -> Func:
    return Func(Value(" ".join(words)), function="search_query", output_field=SearchQueryField())


def _folded(word: str) -> Func:
    return Func(Value(word), function="search_fold", output_field=TextField())


def search(events: EventQuerySet, text: str) -> EventQuerySet:
    """The events that match, annotated with `rank`: higher is better."""
    given = text.replace("\x00", " ").split()[:MAX_WORDS]
    with reading_connection().cursor() as cursor:
        cursor.execute(_WORDS, [given])
        words: list[str] = [word for (word,) in cursor.fetchall()]
    known = [word for word in words if _matching(events, word).exists()]
    misspelt = [word for word in words if word not in known]
    if not words or len(misspelt) > MAX_MISSPELT:
        return events.none().annotate(rank=Value(0.0))

    conditions = Q()
    rank: Any = Value(0.0)
    if known:
        conditions &= Q(Matches(F("search_vector"), _query(known)))
        rank = _number("ts_rank", F("search_vector"), _query(known))
    for word in misspelt:
        # The index finds what shares letters with the word; of that, what it may be stays.
        conditions &= Q(LooksLike(F("search_text"), _folded(word)))
        conditions &= Q(Resembles(F("search_text"), _folded(word)))
        rank = rank + _number("word_similarity", _folded(word), F("search_text"))
    return events.filter(conditions).annotate(rank=rank)


def _matching(events: EventQuerySet, word: str) -> EventQuerySet:
    return events.filter(Q(Matches(F("search_vector"), _query([word]))))


def _number(function: str, *arguments: Any) -> Cast:
    """A function's result in double precision, so that it comes back from a cursor unchanged."""
    return Cast(Func(*arguments, function=function, output_field=FloatField()), FloatField())

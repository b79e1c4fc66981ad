"""Finding events by words.

Every word has to be found, in any order, as the beginning of a word of the event's name, location,
category or description; case and accents are folded. A word that no public event has is taken for
a misspelling and compared by trigrams with names, locations and categories.

The columns `search_vector` and `search_text` and the functions `search_fold` and `search_query`
are made by the app's migrations.
"""

from typing import Any

from django.contrib.postgres.search import SearchQueryField, SearchRank
from django.db import connection
from django.db.models import F, FloatField, Func, Q, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

from .models import EventQuerySet

MAX_WORDS = 12

_KNOWN_WORDS = """
    SELECT word, EXISTS (
        SELECT 1 FROM events_event
        WHERE search_vector @@ search_query(word) AND status = 'published' AND deleted_at IS NULL
    )
    FROM unnest(%s::text[]) WITH ORDINALITY AS given(word, place)
    WHERE search_query(word) IS NOT NULL
    ORDER BY place
"""


def _query(words: list[str]) -> Func:
    return Func(Value(" ".join(words)), function="search_query", output_field=SearchQueryField())


def _closeness(word: str) -> Combinable:
    return Cast(
        Func(
            Func(Value(word), function="search_fold", output_field=TextField()),
            F("search_text"),
            function="word_similarity",
            output_field=FloatField(),
        ),
        FloatField(),
    )


class LooksLike(Func):
    """`search_text %> search_fold(word)`: some part of the text looks like the word (pg_trgm)."""

    arg_joiner = " %%> "
    template = "(%(expressions)s)"
    conditional = True


def search(events: EventQuerySet, text: str) -> EventQuerySet:
    """The events that match, annotated with `rank`: higher is better."""
    words = text.replace("\x00", " ").split()[:MAX_WORDS]
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN_WORDS, [words])
        found: list[tuple[str, bool]] = cursor.fetchall()
    if not found:
        return events.none().annotate(rank=Value(0.0))
    known = [word for word, is_known in found if is_known]
    misspelt = [word for word, is_known in found if not is_known]

    conditions = Q()
    rank: Any = Value(0.0)
    if known:
        conditions &= Q(search_vector=_query(known))
        rank = Cast(SearchRank(F("search_vector"), _query(known)), FloatField())
    for word in misspelt:
        folded = Func(Value(word), function="search_fold", output_field=TextField())
        conditions &= Q(LooksLike(F("search_text"), folded))
        rank = rank + _closeness(word)
    return events.filter(conditions).annotate(rank=rank)

"""Folding of case and accents, in every script, for comparison and alphabetical order.

The database functions `text_…`, which this app's migrations create, do the work. Queries, indexes
and Python use the same ones.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import CharField, Func, Lookup, TextField
from django.db.models.expressions import Combinable
from django.db.models.functions import Collate

from ..sql.replica import reading_connection


class Folded(Func):
    """The folded form of a text."""

    function = "text_fold"
    output_field = TextField()


class AlphabetKey(Func):
    """The sort key of a name: folded, and by its accents among equal ones.

    Keys are compared as bytes: see `alphabetical`.
    """

    function = "text_alphabet_key"
    output_field = TextField()


def alphabetical(name: str | Combinable) -> Collate:
    """The key that sorts a column of names, whatever the locale of the database."""
    return Collate(AlphabetKey(name), "C")


@CharField.register_lookup
@TextField.register_lookup
class ContainsFolded(Lookup):
    """`name__contains_folded=text` compares folded texts. A trigram index on `Folded` serves it."""

    lookup_name = "contains_folded"

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        left, left_values = self.process_lhs(compiler, connection)
        right, right_values = self.process_rhs(compiler, connection)
        return f"text_fold({left}) LIKE text_pattern({right})", [*left_values, *right_values]


def fold_texts(texts: Iterable[str]) -> dict[str, str]:
    """The folded form of each text. Texts beyond ASCII take one query together."""
    folded = {text: text.lower() for text in texts}
    foreign = [text for text in folded if not text.isascii()]
    if foreign:
        with reading_connection().cursor() as cursor:
            cursor.execute(
                "SELECT text, text_fold(text) FROM unnest(%s::text[]) AS text", [foreign]
            )
            folded |= dict(cursor.fetchall())
    return folded

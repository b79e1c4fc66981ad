"""The vocabulary of the search, and expressions on search vectors."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Func, Q


class NameWords(Func):
    """The part of a search vector with the words of the name."""

    function = "ts_filter"
    template = "%(function)s(%(expressions)s, '{a}')"
    output_field = SearchVectorField()


class HeadingWords(NameWords):
    """The part of a search vector with the words of name, category and location."""

    template = "%(function)s(%(expressions)s, '{a,b,c}')"


class NamesByWeek(Func):
    """The words of the name, each with the ISO week (UTC) of its event before it: `202647jazz`."""

    function = "search_names_by_week"
    output_field = SearchVectorField()


class SearchWord(models.Model):
    """A word that events have, or had until the last count.

    A trigger adds the words of an event when it is written. So the table has every word of every
    event, as a search by prefixes requires. Misspelt words are compared only with words that
    correct: words of headings, and words of several organizers. The trigger takes no lock that
    blocks another writer, so a word may have two rows for a while. `events.services.count_words`
    counts the words, decides which ones correct, and deletes second rows and the words of deleted
    events.
    """

    word = models.TextField(db_collation="C")
    in_names = models.PositiveIntegerField(default=0, db_default=0)
    in_headings = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Events with the word in name, category or location."
    )
    in_texts = models.PositiveIntegerField(
        null=True, help_text="Events with the word anywhere. Null: not counted yet."
    )
    # Not a foreign key, whose check would lock the organizer's row once for each word.
    brought_by = models.BigIntegerField(
        null=True, help_text="The first organizer with the word. Null: unknown."
    )
    corrects = models.BooleanField(
        default=False, db_default=False, help_text="Whether it corrects misspelt words."
    )

    class Meta:
        indexes = [
            models.Index(fields=["word"], name="search_word"),
            models.Index(
                fields=["brought_by"],
                condition=Q(corrects=True, in_texts=None),
                name="search_word_new",
            ),
            GinIndex(
                OpClass("word", "gin_trgm_ops"),
                condition=Q(corrects=True),
                gin_pending_list_limit=64,
                name="search_word_corrections",
            ),
        ]

    def __str__(self) -> str:
        return self.word

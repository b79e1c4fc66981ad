from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Func, Q


class NameWords(Func):
    """The words of the name alone, of a search vector."""

    function = "ts_filter"
    template = "%(function)s(%(expressions)s, '{a}')"
    output_field = SearchVectorField()


class HeadingWords(NameWords):
    """The words of name, category and location, of a search vector."""

    template = "%(function)s(%(expressions)s, '{a,b,c}')"


class NamesByWeek(Func):
    """The words of the name, each behind its event's ISO week (UTC): `202647jazz`."""

    function = "search_names_by_week"
    output_field = SearchVectorField()


class SearchWord(models.Model):
    """A word that events have, or had until lately.

    A trigger adds the words of an event as it is written, so every word of every event is here: a
    search by beginnings of words needs them all. Misspelt words are compared with those alone that
    correct: words of headings, and words of several organizers. The trigger takes no lock that
    another writer could wait for, so a word may be here twice for a while.
    `events.services.count_words` counts words, decides which correct, leaves one of each, and
    deletes those of deleted events.
    """

    word = models.TextField(db_collation="C")
    in_names = models.PositiveIntegerField(default=0, db_default=0)
    in_headings = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Events with the word in name, category or location."
    )
    in_texts = models.PositiveIntegerField(
        null=True, help_text="Events with the word anywhere. Null: not counted yet."
    )
    # No foreign key: its check would lock the organizer's row once for each word.
    brought_by = models.BigIntegerField(
        null=True, help_text="The organizer whose event brought it; none before this was recorded."
    )
    corrects = models.BooleanField(
        default=False, db_default=False, help_text="Whether misspelt words are compared with it."
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

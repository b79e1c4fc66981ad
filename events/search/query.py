"""The text search query of events: its words, its match levels and its conditions.

    python "open data" -beginners

matches events that have a word beginning with `python`, that have the phrase, and that do not have
the word after the minus. Case and accents are folded in every script. The order of words does not
matter. No input is an error: terms without a meaning are ignored.

Scripts that do not separate words by spaces, such as Han and Thai, are indexed by pairs of
neighbouring letters. An unspaced run of a search is matched as the phrase of its pairs, also within
longer runs. A name such as C# is matched before its plain word `c`.

Results are sorted by match level, which depends on where the words are. Within a level the soonest
event comes first:

    0  every word is a whole word of the name
    1  every word is in the name
    2  every word is in the name, category or location
    3  every word is anywhere

The level depends on the event and the words alone. So pages stay stable under concurrent writes,
and an index can return each level in the order of time.

The functions `search_…` of the database are created by the app's migrations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from django.contrib.postgres.search import SearchQueryField
from django.db.models import BooleanField, Case, F, Func, IntegerField, Q, Value, When
from django.db.models.expressions import Combinable

from ..models.search_word import HeadingWords, NameWords

# The index matches whole words much faster than prefixes, so up to this many completions of a word
# are named one by one.
MAX_NAMED_COMPLETIONS = 20
# The lookup of a word reads at most this many completions.
MAX_COMPLETIONS = 200
# A word in more names than this takes the index of names long.
MAX_NAMES_OF_RARE_WORD = 100_000

# A word in more events than this does not reveal that a hidden event has it.
MAX_EVENTS_OF_HIDDEN_WORD = 100

WHOLE_NAME, NAME, HEADING, ANYWHERE = LEVELS = range(4)

_UNKNOWN_COUNT = 1_000_000_000


class Matches(Func):
    """`vector @@ query`."""

    arg_joiner = " @@ "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class Query(Func):
    """A tsquery from text in tsquery notation, whose words are quoted letters and digits.

    The text is cast and not parsed, as the words of events are: the parser would split some.
    """

    template = "(%(expressions)s)::tsquery"
    output_field = SearchQueryField()

    def __init__(self, text: str) -> None:
        super().__init__(Value(text))


@dataclass(frozen=True)
class Word:
    """A folded word of a search, with its completions and their counts in events.

    `completions` are the words of events that begin with it. `plain_word` is set for a name such as
    C#: the word `c`, which matches after the name itself. `distance` is the number of positions
    from this word of a phrase to the next one.
    """

    text: str
    completions: Sequence[str] = ()
    is_known: bool = True
    is_counted: bool = False
    in_names: int = 0
    in_headings: int = 0
    in_texts: int = 0
    plain_word: str = ""
    distance: int = 1

    @property
    def is_prefix(self) -> bool:
        """Whether the word has too many completions to name one by one."""
        return len(self.completions) > MAX_NAMED_COMPLETIONS

    @property
    def is_in_many_names(self) -> bool:
        """Whether the completions are in so many names that an index takes long to gather them."""
        return len(self.completions) >= MAX_COMPLETIONS or self.in_names > MAX_NAMES_OF_RARE_WORD

    @property
    def may_be_hidden(self) -> bool:
        """Whether the word may be known from drafts, unlisted and deleted events alone."""
        has_few_events = self.in_texts <= MAX_EVENTS_OF_HIDDEN_WORD or not self.is_counted
        return self.is_known and not self.plain_word and has_few_events

    def count(self, level: int) -> int:
        """Events of this level or a better one, as last counted."""
        if self.is_prefix or (self.is_known and not self.is_counted):
            return _UNKNOWN_COUNT
        return (self.in_names, self.in_names, self.in_headings, self.in_texts)[level]


@dataclass(frozen=True)
class Search:
    """A parsed search text.

    `runs` are the required unspaced runs. `corrections` maps a misspelt word to the words that are
    matched as well. `is_final` is true when the corrections must not change any more.
    """

    words: Sequence[Word] = ()
    phrases: Sequence[Sequence[Word]] = ()
    excluded_phrases: Sequence[Sequence[Word]] = ()
    runs: Sequence[str] = ()
    corrections: Mapping[str, list[str]] = field(default_factory=dict)
    is_final: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.words or self.phrases or self.excluded_phrases)

    @property
    def levels(self) -> Sequence[int]:
        return LEVELS if self.words or self.phrases else (ANYWHERE,)

    @cached_property
    def ts_queries(self) -> "TsQueries":
        weights = ("A", "A", "ABC", "")
        return TsQueries(
            tuple(" & ".join(self._required(level, weights[level])) for level in LEVELS),
            tuple(" & ".join(self._required(level, "")) for level in LEVELS),
            " | ".join(self._excluded()),
        )

    @property
    def has_unknown_count(self) -> bool:
        """Whether the counts of single words do not give the number of matches."""
        number = len(self.words) + sum(map(len, self.phrases))
        return number > 1 or (number == 1 and self.estimate() == _UNKNOWN_COUNT)

    def estimate(self, level: int = ANYWHERE) -> int:
        """Upper bound of the matches, as last counted. New words are not counted yet."""
        phrase_words = [word for phrase in self.phrases for word in phrase]
        # The count of a misspelt word does not apply to its corrections.
        if self.corrections or not (self.words or phrase_words):
            return _UNKNOWN_COUNT
        return min(word.count(level) for word in (*self.words, *phrase_words))

    def name_query(self) -> str:
        """Tsquery notation: every word is in the name, and no excluded one is."""
        return " & ".join([*self._required(NAME, "A"), *(f"!{part}" for part in self._excluded())])

    def name_keys(self, mark: str) -> str:
        """Tsquery notation of the single words of `name_query`, each behind `mark`."""
        parts = [self._alternatives(word, NAME, "", mark) for word in self.words]
        parts += [operand(mark + word.text) for phrase in self.phrases for word in phrase]
        return " & ".join(parts)

    def _required(self, level: int, weights: str) -> list[str]:
        words = [self._alternatives(word, level, weights) for word in self.words]
        return words + [_phrase(phrase, weights) for phrase in self.phrases]

    def _excluded(self) -> list[str]:
        return [_phrase(phrase, "") for phrase in self.excluded_phrases]

    def _alternatives(self, word: Word, level: int, weights: str, mark: str = "") -> str:
        """The word or, below the level of whole words, a completion; or a correction."""
        endings = {word.text: weights}
        if level != WHOLE_NAME:
            if word.is_prefix:
                endings[word.text] = f"*{weights}"
            else:
                endings |= dict.fromkeys(word.completions, weights)
            if word.plain_word:
                endings[word.plain_word] = weights
        endings |= dict.fromkeys(self.corrections.get(word.text, ()), weights)
        return "(" + " | ".join(operand(mark + text, end) for text, end in endings.items()) + ")"


class TsQueries(NamedTuple):
    """The tsquery texts of a search, from which its conditions are made.

    `weighted` has the query of each level on the whole vector. `plain` has the query of each level
    on the words of that level alone. `excluded` must not match anywhere. An empty text is no
    condition.
    """

    weighted: tuple[str, ...]
    plain: tuple[str, ...]
    excluded: str

    @property
    def texts(self) -> tuple[str, ...]:
        return (*self.weighted, *self.plain, self.excluded)

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> "TsQueries":
        """The inverse of `texts`."""
        half = len(LEVELS)
        return cls(tuple(texts[:half]), tuple(texts[half : 2 * half]), texts[-1])

    def condition(self, level: int = ANYWHERE) -> Q:
        """Events of this level or a better one."""
        return self._matching(F("search_vector"), self.weighted[level])

    def indexed_condition(self, level: int = ANYWHERE) -> Q:
        """The same events, by the index of the words of this level."""
        vector = F("search_vector")
        column = (NameWords(vector), NameWords(vector), HeadingWords(vector), vector)[level]
        return self._matching(column, self.plain[level])

    def beyond_better_levels(self, level: int) -> Q:
        """Leaves out the events of better levels."""
        return ~self.condition(level - 1) if level > 0 and self.weighted[level] else Q()

    def rank(self) -> Combinable:
        """The level of an event."""
        better_levels = LEVELS[:-1] if self.weighted[ANYWHERE] else ()
        whens = [When(self.condition(level), then=Value(level)) for level in better_levels]
        return Case(*whens, default=Value(ANYWHERE), output_field=IntegerField())

    def _matching(self, vector: Any, required: str) -> Q:
        condition = Q()
        if required:
            condition &= Q(Matches(vector, Query(required)))
        if self.excluded:
            condition &= ~Q(Matches(F("search_vector"), Query(self.excluded)))
        return condition


def _phrase(words: Sequence[Word], weights: str) -> str:
    *others, last = words
    parts = [f"{operand(word.text, weights)} <{word.distance}> " for word in others]
    return f"({''.join(parts)}{operand(last.text, weights)})"


def operand(word: str, ending: str = "") -> str:
    """A quoted word in tsquery notation. `ending` has its weights, after `*` for a prefix."""
    return f"'{word}':{ending}" if ending else f"'{word}'"

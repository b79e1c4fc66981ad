"""Finding events by words.

    python "open data" -beginners

finds events that have a word that begins with `python`, and the phrase, and not the word after the
minus. Case and accents are folded in every script; the order of words does not matter. Nothing that
somebody writes is an error: what has no meaning is passed over.

Scripts that part no words by spaces, such as Han and Thai, are indexed by each two neighbouring
letters, so a run of them is looked for as a phrase of its pairs and is found in longer runs too. A
name such as C# is found as it is before the plain word is.

The best matches come first, by where the words are, and the soonest first among equals:

    0  all are whole words of the name
    1  all are in the name
    2  all are in name, category or location
    3  anywhere

That is a fact of the event and the words alone, so pages hold still while others write, and each
level can be read from an index in the order of time.

A word that no event has is taken for misspelt, and the nearest words that events do have are
looked for as well: see `correct`. The functions `search_…` are made by the app's migrations.
"""

import logging
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from django.contrib.postgres.search import SearchQueryField
from django.db.models import BooleanField, Case, F, Func, IntegerField, Q, Value, When
from django.db.models.expressions import Combinable

from config.api.sql.compiled_queries import run_sql
from config.api.sql.replica import reading_connection
from config.api.sql.statements import Statement
from config.api.sql.time_limits import TookTooLong, limited

from ..models.search_word import HeadingWords, NameWords
from .scripts import IN_RUNS

logger = logging.getLogger(__name__)

MAX_WORDS = 12

# Of runs of scripts without spaces, each two neighbouring letters are one.
MAX_PAIRS = 24

# A misspelt word is compared with all words that share letters and correct others.
MAX_MISSPELT = 3
MAX_CORRECTIONS = 5

# Of each statement that grows with the vocabulary. A search that reaches it goes on without.
LIMIT_MILLISECONDS = 250

# Of words with two letters somewhere; more of them, and walking finds an event soon.
MAX_WITH_PART = 50

# Shorter parts of names and places have none.
OF_TRIGRAMS = 3

# A word of more events than these is no secret of drafts and deleted ones.
MAX_SECRET = 100

# An index finds whole words much sooner than beginnings of words.
MAX_BEGINNINGS = 20
MAX_LOOKED_UP = 200
MANY_NAMES = 100_000

WHOLE_NAME, NAME, HEADING, ANYWHERE = LEVELS = range(4)

_MANY = 1_000_000_000

_QUOTES = str.maketrans("“”„«»", '"""""')
_TERM = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')

_LOOK_UP = Statement("""
    SELECT given.place, part.place, part.word, strpos(grams.words, ' ') > 0,
        left(gram.word, 60), known.*
    FROM unnest(%s::text[]) WITH ORDINALITY AS given(text, place),
        regexp_split_to_table(search_text(given.text), ' ') WITH ORDINALITY AS part(word, place),
        LATERAL (
            SELECT CASE
                WHEN octet_length(part.word) = length(part.word) THEN part.word
                ELSE search_grams(left(part.word, 60))
            END
        ) AS grams(words),
        /* The last letter alone is for searches of one letter. */
        regexp_split_to_table(regexp_replace(grams.words, ' [^ ]+$', ''), ' ')
            WITH ORDINALITY AS gram(word, place),
        LATERAL (
            SELECT
                array_agg(DISTINCT word) AS beginning_so,
                coalesce(bool_or(in_texts IS DISTINCT FROM 0), false) AS is_known,
                /* A word may be there once more, as a correction that is not counted yet. */
                count(*) > 0 AND count(DISTINCT word) FILTER (WHERE in_texts IS NOT NULL)
                    = count(DISTINCT word) AS is_counted,
                coalesce(sum(in_names), 0) AS in_names,
                coalesce(sum(in_headings), 0) AS in_headings,
                coalesce(sum(in_texts), 0) AS in_texts
            FROM (
                SELECT word, in_names, in_headings, in_texts FROM events_searchword
                WHERE word >= left(gram.word, 60) COLLATE "C"
                    AND word < left(gram.word, 60) || chr(1114111)
                LIMIT %s
            ) found
        ) AS known
    WHERE part.word <> ''
    ORDER BY given.place, part.place, gram.place
""")

_NEAR = """
    SELECT given.word, near.word, near.in_headings, near.in_texts
    FROM unnest(%s::text[]) AS given(word), search_near(given.word) AS near
    UNION ALL
    SELECT given.word, known.word, known.in_headings, coalesce(known.in_texts, 0)
    FROM unnest(%s::text[], %s::text[]) AS given(word, swapped)
    JOIN events_searchword AS known
        ON known.word = given.swapped COLLATE "C"
            AND known.corrects AND known.in_texts IS DISTINCT FROM 0
"""


# By way of what matches, never event by event: a word that nobody else has would read them all.
_HIDDEN = """
    SELECT given.word FROM unnest(%s::text[], %s::text[]) AS given(word, query)
    WHERE NOT EXISTS (
        WITH matching AS MATERIALIZED (
            SELECT status, deleted_at FROM events_event
            WHERE search_vector @@ given.query::tsquery
        )
        SELECT FROM matching WHERE status <> 'draft' AND deleted_at IS NULL
    )
"""

_WITH_PART = """
    SELECT DISTINCT word FROM events_searchword WHERE strpos(word, %s) > 0 LIMIT %s
"""


class Matches(Func):
    """`vector @@ query`."""

    arg_joiner = " @@ "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class Query(Func):
    """A tsquery of a text in its own notation, whose words are quoted and of letters and digits.

    Cast and not parsed, as the words of events are: the parser would split some.
    """

    template = "(%(expressions)s)::tsquery"
    output_field = SearchQueryField()

    def __init__(self, text: str) -> None:
        super().__init__(Value(text))


@dataclass(frozen=True)
class Word:
    """A folded word, the words of events that begin with it, and how many events have those.

    `stem` is the plain word that also finds a name such as C#, after the name itself. `distance`
    is how far behind it the next word of a phrase stands.
    """

    text: str
    beginning_so: Sequence[str] = ()
    is_known: bool = True
    is_counted: bool = False
    in_names: int = 0
    in_headings: int = 0
    in_texts: int = 0
    stem: str = ""
    distance: int = 1

    @property
    def begins_many(self) -> bool:
        """More words than are worth naming one by one."""
        return len(self.beginning_so) > MAX_BEGINNINGS

    @property
    def begins_everywhere(self) -> bool:
        """Words of so many names that an index takes long to gather those."""
        return len(self.beginning_so) >= MAX_LOOKED_UP or self.in_names > MANY_NAMES

    @property
    def is_rare(self) -> bool:
        """Known, and perhaps of drafts and deleted events alone."""
        return (
            self.is_known and not self.stem and (self.in_texts <= MAX_SECRET or not self.is_counted)
        )

    def number(self, level: int) -> int:
        """Events of this level and of better ones, as last counted."""
        if self.begins_many or (self.is_known and not self.is_counted):
            return _MANY
        return (self.in_names, self.in_names, self.in_headings, self.in_texts)[level]


@dataclass(frozen=True)
class Search:
    words: Sequence[Word] = ()
    phrases: Sequence[Sequence[Word]] = ()
    without: Sequence[Sequence[Word]] = ()
    # Runs of scripts without spaces that are looked for, anywhere in longer ones.
    runs: Sequence[str] = ()
    corrections: Mapping[str, list[str]] = field(default_factory=dict)
    is_settled: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.words or self.phrases or self.without)

    @property
    def levels(self) -> Sequence[int]:
        return LEVELS if self.words or self.phrases else (ANYWHERE,)

    @cached_property
    def ts_queries(self) -> "TsQueries":
        weights = ("A", "A", "ABC", "")
        return TsQueries(
            tuple(" & ".join(self._wanted(level, weights[level])) for level in LEVELS),
            tuple(" & ".join(self._wanted(level, "")) for level in LEVELS),
            " | ".join(self._unwanted()),
        )

    @property
    def is_joint(self) -> bool:
        """Whether how common it is cannot be told from how common each word is."""
        number = len(self.words) + sum(map(len, self.phrases))
        return number > 1 or (number == 1 and self.estimate() == _MANY)

    def estimate(self, level: int = ANYWHERE) -> int:
        """At most so many events match, as last counted; new words are not counted yet."""
        found = [word for phrase in self.phrases for word in phrase]
        # What is said of a misspelt word says nothing of what stands in for it.
        if self.corrections or not (self.words or found):
            return _MANY
        return min(word.number(level) for word in (*self.words, *found))

    def name_query(self) -> str:
        """Notation of a tsquery: each word in the name, and none that is unwanted."""
        return " & ".join([*self._wanted(NAME, "A"), *(f"!{part}" for part in self._unwanted())])

    def name_keys(self, mark: str) -> str:
        """The same of single words alone, each behind a mark; needs no more than to be cast."""
        parts = [self._word(word, NAME, "", mark) for word in self.words]
        parts += [_operand(mark + word.text, "") for phrase in self.phrases for word in phrase]
        return " & ".join(parts)

    def _wanted(self, level: int, weights: str) -> list[str]:
        words = [self._word(word, level, weights) for word in self.words]
        return words + [_phrase(phrase, weights) for phrase in self.phrases]

    def _unwanted(self) -> list[str]:
        return [_phrase(phrase, "") for phrase in self.without]

    def _word(self, word: Word, level: int, weights: str, mark: str = "") -> str:
        whole = {word.text: weights}
        if level != WHOLE_NAME:
            if word.begins_many:
                whole[word.text] = f"*{weights}"
            else:
                whole |= dict.fromkeys(word.beginning_so, weights)
            if word.stem:
                whole[word.stem] = weights
        whole |= dict.fromkeys(self.corrections.get(word.text, ()), weights)
        return "(" + " | ".join(_operand(mark + each, end) for each, end in whole.items()) + ")"


class TsQueries(NamedTuple):
    """A search as texts of tsqueries, from which its conditions are made.

    Of each level what to look for in a whole vector, and what in the words of this level alone;
    and what must be nowhere. Empty: nothing.
    """

    weighted: tuple[str, ...]
    plain: tuple[str, ...]
    unwanted: str

    @property
    def texts(self) -> tuple[str, ...]:
        return (*self.weighted, *self.plain, self.unwanted)

    @classmethod
    def of(cls, texts: Sequence[str]) -> "TsQueries":
        """The other way round."""
        half = len(LEVELS)
        return cls(tuple(texts[:half]), tuple(texts[half : 2 * half]), texts[-1])

    def condition(self, level: int = ANYWHERE) -> Q:
        """Events of this level and of better ones."""
        return self._matching(F("search_vector"), self.weighted[level])

    def indexed_condition(self, level: int = ANYWHERE) -> Q:
        """The same, said so that the index of just these words answers it."""
        vector = F("search_vector")
        column = (NameWords(vector), NameWords(vector), HeadingWords(vector), vector)[level]
        return self._matching(column, self.plain[level])

    def beyond(self, level: int) -> Q:
        """Leaves out what better levels have."""
        return ~self.condition(level - 1) if level > 0 and self.weighted[level] else Q()

    def rank(self) -> Combinable:
        """The level of an event."""
        better = LEVELS[:-1] if self.weighted[ANYWHERE] else ()
        whens = [When(self.condition(level), then=Value(level)) for level in better]
        return Case(*whens, default=Value(ANYWHERE), output_field=IntegerField())

    def _matching(self, vector: Any, wanted: str) -> Q:
        condition = Q()
        if wanted:
            condition &= Q(Matches(vector, Query(wanted)))
        if self.unwanted:
            condition &= ~Q(Matches(F("search_vector"), Query(self.unwanted)))
        return condition


def _phrase(words: Sequence[Word], weights: str) -> str:
    *others, last = words
    parts = [f"{_operand(word.text, weights)} <{word.distance}> " for word in others]
    return f"({''.join(parts)}{_operand(last.text, weights)})"


def _operand(word: str, ending: str) -> str:
    return f"'{word}':{ending}" if ending else f"'{word}'"


def read_search(text: str, corrections: Mapping[str, list[str]] | None = None) -> Search:
    """What is looked for. `corrections` are those of an earlier page; else they are looked up."""
    terms = list(_TERM.finditer(text.translate(_QUOTES).replace("\x00", " ")))[:MAX_WORDS]
    given = [term["word"] if term["phrase"] is None else term["phrase"] for term in terms]
    rows = run_sql(_LOOK_UP, [given, MAX_LOOKED_UP], reading_connection(), prepare=True)
    found = _read_terms(rows)
    words: list[Word] = []
    phrases: list[Sequence[Word]] = []
    without: list[Sequence[Word]] = []
    runs: list[str] = []
    for place, parts in found.items():
        together = [word for part in parts for word in part.words]
        if terms[place]["minus"]:
            without.append(together)
            continue
        runs += [part.text for part in parts if part.is_run]
        if terms[place]["phrase"] is not None:
            phrases.append(together)
        else:
            words += _with_stems([part.words[0] for part in parts if len(part.words) == 1])
            phrases += [part.words for part in parts if len(part.words) > 1]
    search = Search(words, phrases, without, runs)
    if corrections is not None:
        return replace(search, corrections=corrections, is_settled=True)
    rare = {word.text: f"'{word.text}':*" for word in words if word.is_rare}
    hidden = _only_hidden(rare)
    misspelt = [word.text for word in words if not word.is_known or word.text in hidden]
    return replace(search, corrections=correct(misspelt))


class _Part(NamedTuple):
    """A word of a term; a run of letters without spaces is looked for by pairs of them."""

    text: str
    is_run: bool
    words: list[Word]


def _read_terms(rows: Sequence[Sequence[Any]]) -> dict[int, list[_Part]]:
    """The parts of each term, by its place."""
    found: dict[int, dict[int, _Part]] = {}
    left = {False: MAX_WORDS, True: MAX_PAIRS}
    for place, part_place, text, has_several, word, beginning_so, *facts in rows:
        is_run = IN_RUNS.match(text) is not None
        if left[is_run]:
            left[is_run] -= 1
            parts = found.setdefault(place - 1, {})
            part = parts.setdefault(part_place, _Part(text, is_run, []))
            if part.words:
                part.words[-1] = replace(part.words[-1], distance=1)
            # The last letter of a run is indexed alone, so the next word is one place further.
            distance = 2 if has_several else 1
            part.words.append(replace(Word(word, beginning_so or (), *facts), distance=distance))
    return {place: list(parts.values()) for place, parts in found.items()}


def _with_stems(words: Sequence[Word]) -> list[Word]:
    """The words of one term, in which a name such as C# follows the plain word that it is of."""
    together: list[Word] = []
    for word in words:
        stem = together[-1] if together else None
        if stem and word.text in {f"{stem.text}sharp", f"{stem.text}plusplus", f"dot{stem.text}"}:
            together[-1] = replace(
                word,
                stem=stem.text,
                is_known=True,
                is_counted=stem.is_counted and (word.is_counted or not word.is_known),
                in_names=word.in_names + stem.in_names,
                in_headings=word.in_headings + stem.in_headings,
                in_texts=word.in_texts + stem.in_texts,
            )
        else:
            together.append(word)
    return together


def has_part(text: str) -> Q:
    """What an index knows of names and places with a part that is too short for trigrams.

    Such a part of one word is in a word, so one of the words that have it is there.
    """
    if folded_length(text) >= OF_TRIGRAMS:
        return Q()
    connection = reading_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT text_fold(%s), btrim(search_text(%s))", [text, text])
        part, word = cursor.fetchone()
        if part != word:
            return Q()
        try:
            with limited(connection, milliseconds=LIMIT_MILLISECONDS):
                cursor.execute(_WITH_PART, [part, MAX_WITH_PART + 1])
                words = [word for (word,) in cursor.fetchall()]
        except TookTooLong:
            return Q()
    if len(words) > MAX_WITH_PART:
        return Q()
    heading = HeadingWords(F("search_vector"))
    if not words:
        return Q(pk=0)
    return Q(Matches(heading, Query(" | ".join(_operand(word, "") for word in words))))


def folded_length(text: str) -> int:
    """How many letters a text has, without the marks on them; at most a few too many."""
    decomposed = unicodedata.normalize("NFKD", text)
    return sum(not unicodedata.combining(letter) for letter in decomposed)


def loosened(search: Search) -> Search:
    """With corrections of known words too: for when the events in question have none of them."""
    plain = [word for word in search.words if not word.stem]
    rarest_first = sorted(plain, key=lambda word: word.in_texts)
    corrections = correct([word.text for word in rarest_first])
    return replace(search, corrections=corrections, is_settled=True)


def correct(words: Sequence[str]) -> dict[str, list[str]]:
    """For each word that is like words of events but for one or two letters, the nearest of those.

    Two letters that changed places count as one. Words with digits stay as they are: next year is
    not a misspelling of this one. Empty when it takes too long.
    """
    asked = [word for word in dict.fromkeys(words) if _allowed_edits(word)][:MAX_MISSPELT]
    if not asked:
        return {}
    try:
        with limited(reading_connection(), milliseconds=LIMIT_MILLISECONDS):
            return _nearest(asked)
    except TookTooLong:
        logger.warning("no corrections: comparing words took longer than the limit")
        return {}


def _nearest(asked: Sequence[str]) -> dict[str, list[str]]:
    near: dict[str, set[tuple[int, int, int, str]]] = {}
    with reading_connection().cursor() as cursor:
        # Of a short word, swapped letters leave hardly a trigram.
        swapped = [(word, other) for word in asked for other in _swapped(word)]
        cursor.execute(
            _NEAR, [list(asked), [pair[0] for pair in swapped], [pair[1] for pair in swapped]]
        )
        for word, candidate, in_headings, in_texts in cursor.fetchall():
            edits = edit_distance(word, candidate)
            if 0 < edits <= _allowed_edits(word):
                near.setdefault(word, set()).add((edits, -in_headings, -in_texts, candidate))
    rare = {found[-1] for every in near.values() for found in every if -found[2] <= MAX_SECRET}
    hidden = _only_hidden({word: f"'{word}'" for word in rare})
    for word, every in near.items():
        near[word] = {found for found in every if found[-1] not in hidden}
    return {
        word: [found[-1] for found in sorted(all_found)[:MAX_CORRECTIONS] if found[0] == least]
        for word, all_found in near.items()
        if all_found
        for least in [min(all_found)[0]]
    }


def _only_hidden(queries: Mapping[str, str]) -> set[str]:
    """Of words, each with its query, those that only drafts and deleted events have.

    What is corrected, and into what, would tell of those to everybody.
    """
    if not queries:
        return set()
    with reading_connection().cursor() as cursor:
        cursor.execute(_HIDDEN, [list(queries), list(queries.values())])
        return {word for (word,) in cursor.fetchall()}


def _allowed_edits(word: str) -> int:
    if len(word) < 4 or re.search("[0-9]", word):
        return 0
    return 1 if len(word) < 5 else 2


def _swapped(word: str) -> list[str]:
    """The word with each two neighbours swapped."""
    return [
        word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        for place in range(len(word) - 1)
    ]


def edit_distance(one: str, other: str) -> int:
    """How many letters to insert, delete, replace or swap with their neighbour.

    >>> edit_distance("pyhton", "python"), edit_distance("konferense", "conference")
    (1, 2)
    """
    before: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        line = [row]
        for column, its in enumerate(other, start=1):
            best = min(line[column - 1] + 1, above[column] + 1, above[column - 1] + (letter != its))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == its:
                best = min(best, before[column - 2] + 1)
            line.append(best)
        before, above = above, line
    return above[-1]

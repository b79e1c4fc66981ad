"""Parses a search text and looks its words up in the vocabulary of the events."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from config.api.sql.compiled_queries import run_sql
from config.api.sql.replica import reading_connection

from .query import MAX_COMPLETIONS, Search, Word, operand
from .scripts import UNSPACED_LETTER
from .spelling import correct, hidden_words

MAX_WORDS = 12

# Pairs of neighbouring letters in unspaced runs.
MAX_PAIRS = 24

_QUOTES = str.maketrans("“”„«»", '"""""')
_TERM = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')

_LOOK_UP = """
    SELECT given.term, part.number, part.word, strpos(grams.words, ' ') > 0,
        left(gram.word, 60), known.*
    FROM unnest(%s::text[]) WITH ORDINALITY AS given(text, term),
        regexp_split_to_table(search_text(given.text), ' ')
            WITH ORDINALITY AS part(word, number),
        LATERAL (
            SELECT CASE
                WHEN octet_length(part.word) = length(part.word) THEN part.word
                ELSE search_grams(left(part.word, 60))
            END
        ) AS grams(words),
        /* The last letter alone is for searches of one letter. */
        regexp_split_to_table(regexp_replace(grams.words, ' [^ ]+$', ''), ' ')
            WITH ORDINALITY AS gram(word, number),
        LATERAL (
            SELECT
                array_agg(DISTINCT word) AS completions,
                coalesce(bool_or(in_texts IS DISTINCT FROM 0), false) AS is_known,
                /* A word may have a second row: a correction that is not counted yet. */
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
            ) completion
        ) AS known
    WHERE part.word <> ''
    ORDER BY given.term, part.number, gram.number
"""


class _Part(NamedTuple):
    """A word of a term, or an unspaced run, whose `words` are its pairs of letters."""

    text: str
    is_run: bool
    words: list[Word]


def read_search(text: str, corrections: Mapping[str, list[str]] | None = None) -> Search:
    """Parses a search text.

    `corrections` are those of an earlier page; with None they are looked up. At most `MAX_WORDS`
    words and `MAX_PAIRS` pairs of letters are read; the rest of the text is ignored.
    """
    terms = list(_TERM.finditer(text.translate(_QUOTES).replace("\x00", " ")))[:MAX_WORDS]
    texts = [term["word"] if term["phrase"] is None else term["phrase"] for term in terms]
    rows = run_sql(_LOOK_UP, [texts, MAX_COMPLETIONS], reading_connection(), prepare=True)
    words: list[Word] = []
    phrases: list[Sequence[Word]] = []
    excluded_phrases: list[Sequence[Word]] = []
    runs: list[str] = []
    for index, parts in _read_parts(rows).items():
        term_words = [word for part in parts for word in part.words]
        if terms[index]["minus"]:
            excluded_phrases.append(term_words)
            continue
        runs += [part.text for part in parts if part.is_run]
        if terms[index]["phrase"] is not None:
            phrases.append(term_words)
        else:
            words += _join_signs([part.words[0] for part in parts if len(part.words) == 1])
            phrases += [part.words for part in parts if len(part.words) > 1]
    search = Search(words, phrases, excluded_phrases, runs)
    if corrections is not None:
        return replace(search, corrections=corrections, is_final=True)
    hidden = hidden_words(
        {word.text: operand(word.text, "*") for word in words if word.may_be_hidden}
    )
    misspelt = [word.text for word in words if not word.is_known or word.text in hidden]
    return replace(search, corrections=correct(misspelt))


def _read_parts(rows: Sequence[Sequence[Any]]) -> dict[int, list[_Part]]:
    """The parts of each term, by the index of the term."""
    terms: dict[int, dict[int, _Part]] = {}
    words_left, pairs_left = MAX_WORDS, MAX_PAIRS
    for term, part_number, text, has_several, word, completions, *counts in rows:
        is_run = UNSPACED_LETTER.match(text) is not None
        if is_run and pairs_left:
            pairs_left -= 1
        elif not is_run and words_left:
            words_left -= 1
        else:
            continue
        parts = terms.setdefault(term - 1, {})
        part = parts.setdefault(part_number, _Part(text, is_run, []))
        if part.words:
            part.words[-1] = replace(part.words[-1], distance=1)
        # The last letter of a run is indexed alone, so the next word is two positions further.
        distance = 2 if has_several else 1
        part.words.append(replace(Word(word, completions or (), *counts), distance=distance))
    return {term: list(parts.values()) for term, parts in terms.items()}


def _join_signs(words: Sequence[Word]) -> list[Word]:
    """The words of one term, with the plain word of a name such as C# joined to the name."""
    joined: list[Word] = []
    for word in words:
        plain = joined[-1] if joined else None
        if plain and word.text in {
            f"{plain.text}sharp",
            f"{plain.text}plusplus",
            f"dot{plain.text}",
        }:
            joined[-1] = replace(
                word,
                plain_word=plain.text,
                is_known=True,
                is_counted=plain.is_counted and (word.is_counted or not word.is_known),
                in_names=word.in_names + plain.in_names,
                in_headings=word.in_headings + plain.in_headings,
                in_texts=word.in_texts + plain.in_texts,
            )
        else:
            joined.append(word)
    return joined

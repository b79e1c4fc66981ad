"""Counts the words of events, and decides which words correct misspelt ones."""

from django.db import connection

# Comparing three misspelt words with all of these takes some tens of milliseconds.
MAX_CORRECTING = 50_000
MAX_CORRECTING_OF_ORGANIZER = 10_000

# A word without events is first counted as of none. The next count deletes it, since a transaction
# that began before the first count may still add an event with the word.
#
# Words are ranked within each organizer. Words of several organizers are ranked apart, by their
# first and last organizer, so that they use up no organizer's limit. Beyond the limit of all words,
# the words of the highest ranks are left out: the rarest ones of the organizers with most words.
_COUNT = """
    WITH counted AS MATERIALIZED (
        SELECT given.lexeme COLLATE "C" AS word,
            count(*) FILTER (WHERE 'A' = ANY(given.weights)) AS in_names,
            count(*) FILTER (WHERE given.weights && '{A,B,C}') AS in_headings,
            count(*) AS in_texts,
            min(event.organizer_id) AS brought_by,
            max(event.organizer_id) AS last_organizer,
            min(event.organizer_id) < max(event.organizer_id) AS is_shared
        FROM events_event AS event, unnest(event.search_vector) AS given
        WHERE event.deleted_at IS NULL
        GROUP BY 1
    ), correcting AS MATERIALIZED (
        SELECT word FROM (
            SELECT word, row_number() OVER (
                PARTITION BY brought_by, last_organizer
                ORDER BY in_headings DESC, in_texts DESC, word
            ) AS position, is_shared
            FROM counted
            WHERE (in_headings > 0 OR is_shared) AND search_may_correct(word)
        ) AS ranked
        WHERE is_shared OR position <= %(max_of_organizer)s
        ORDER BY position, word LIMIT %(max_correcting)s
    ), judged AS MATERIALIZED (
        SELECT counted.*, correcting.word IS NOT NULL AS corrects
        FROM counted LEFT JOIN correcting USING (word)
    ), known AS MATERIALIZED (
        SELECT id, word, row_number() OVER (PARTITION BY word ORDER BY id) AS copy, in_texts
        FROM events_searchword
    ), gone AS (
        DELETE FROM events_searchword WHERE id IN (
            SELECT id FROM known LEFT JOIN judged USING (word)
            WHERE copy > 1 OR (known.in_texts = 0 AND judged.word IS NULL)
        )
    ), changed AS (
        UPDATE events_searchword AS stored SET
            in_names = coalesce(judged.in_names, 0),
            in_headings = coalesce(judged.in_headings, 0),
            in_texts = coalesce(judged.in_texts, 0),
            brought_by = judged.brought_by,
            corrects = coalesce(judged.corrects, false)
        FROM known LEFT JOIN judged USING (word)
        WHERE stored.id = known.id AND known.copy = 1
            AND (judged.word IS NOT NULL OR known.in_texts IS DISTINCT FROM 0)
            AND (stored.in_names, stored.in_headings, stored.in_texts, stored.brought_by,
                    stored.corrects) IS DISTINCT FROM
                (judged.in_names, judged.in_headings, coalesce(judged.in_texts, 0),
                    judged.brought_by, coalesce(judged.corrects, false))
    )
    INSERT INTO events_searchword (word, in_names, in_headings, in_texts, brought_by, corrects)
    SELECT word, in_names, in_headings, in_texts, brought_by, corrects FROM judged
    WHERE NOT EXISTS (SELECT FROM known WHERE known.word = judged.word)
"""


def count_words() -> None:
    """Counts the events of each word, so that each word of an event has one row.

    The search chooses its strategy by the counts. Its results do not depend on them. At most
    `MAX_CORRECTING` words correct misspelt ones: words of headings, and words of several
    organizers. Of the words of a single organizer, at most `MAX_CORRECTING_OF_ORGANIZER` do.
    """
    with connection.cursor() as cursor:
        # If the last statistics are of an empty table, the planner expects no rows and compares
        # all words with each other.
        cursor.execute("ANALYZE events_searchword")
        cursor.execute(
            _COUNT,
            {"max_correcting": MAX_CORRECTING, "max_of_organizer": MAX_CORRECTING_OF_ORGANIZER},
        )

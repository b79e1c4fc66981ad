from django.db import connection

# Words stay when their last event has gone: another may be bringing them back at this moment.
_COUNT = """
    WITH texts AS MATERIALIZED (
        SELECT word COLLATE "C" AS word, ndoc
        FROM ts_stat('SELECT search_vector FROM events_event')
    ), headings AS MATERIALIZED (
        SELECT word COLLATE "C" AS word, ndoc
        FROM ts_stat('SELECT search_vector FROM events_event', 'abc')
    ), names AS MATERIALIZED (
        SELECT word COLLATE "C" AS word, ndoc
        FROM ts_stat('SELECT search_vector FROM events_event', 'a')
    ), counted AS MATERIALIZED (
        SELECT word, coalesce(names.ndoc, 0) AS in_names,
            coalesce(headings.ndoc, 0) AS in_headings, texts.ndoc AS in_texts
        FROM texts LEFT JOIN headings USING (word) LEFT JOIN names USING (word)
    ), known AS MATERIALIZED (
        SELECT id, word, row_number() OVER (PARTITION BY word ORDER BY id) AS copy
        FROM events_searchword
    ), twice AS (
        DELETE FROM events_searchword WHERE id IN (SELECT id FROM known WHERE copy > 1)
    ), changed AS (
        UPDATE events_searchword stored SET
            in_names = coalesce(counted.in_names, 0),
            in_headings = coalesce(counted.in_headings, 0),
            in_texts = coalesce(counted.in_texts, 0)
        FROM known LEFT JOIN counted USING (word)
        WHERE stored.id = known.id AND known.copy = 1
            AND (stored.in_names, stored.in_headings, stored.in_texts) IS DISTINCT FROM
                (counted.in_names, counted.in_headings, coalesce(counted.in_texts, 0))
    )
    INSERT INTO events_searchword (word, in_names, in_headings, in_texts)
    SELECT word, in_names, in_headings, in_texts FROM counted
    WHERE NOT EXISTS (SELECT FROM known WHERE known.word = counted.word)
"""


def count_words() -> None:
    """Count in how many events each word is, and leave one row of each.

    Search chooses its way by these numbers; its answers do not depend on them.
    """
    with connection.cursor() as cursor:
        # A table that was empty when it was last looked at is taken for empty, and then all its
        # words are compared with each other.
        cursor.execute("ANALYZE events_searchword")
        cursor.execute(_COUNT)

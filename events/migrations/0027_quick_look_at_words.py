"""Words that are settled, as nearly all are, take one look at the index, as they used to.

Every word was looked at as a whole, with all its rows, which made an event a tenth slower to write.
"""

from django.db import migrations

FUNCTION = r"""
CREATE OR REPLACE FUNCTION event_search_refresh() RETURNS trigger
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    category_name text := '';
BEGIN
    IF NEW.category_id IS NOT NULL THEN
        SELECT name || ' ' || slug INTO category_name
        FROM events_category WHERE id = NEW.category_id;
    END IF;
    NEW.search_vector :=
        search_vector_of(NEW.name, category_name, NEW.location, NEW.description);
    IF NEW.deleted_at IS NOT NULL THEN
        RETURN NEW;
    END IF;
    -- The table has no unique index, so no writer waits for another one's commit here.
    WITH words AS MATERIALIZED (
        SELECT given.lexeme, given.weights, EXISTS (
            SELECT FROM events_searchword
            WHERE word = given.lexeme COLLATE "C" AND in_texts IS DISTINCT FROM 0
            OFFSET 0
        ) AS is_known
        FROM unnest(NEW.search_vector) AS given
        -- A word is settled when it corrects or never will, or when this organizer has brought it
        -- and it is in no heading now.
        WHERE NOT EXISTS (
            SELECT FROM events_searchword
            WHERE word = given.lexeme COLLATE "C" AND in_texts IS DISTINCT FROM 0
                AND (
                    corrects
                    OR NOT search_may_correct(given.lexeme)
                    OR (
                        brought_by IS NOT DISTINCT FROM NEW.organizer_id
                        AND NOT given.weights && '{A,B,C}'
                    )
                )
            OFFSET 0
        )
    ), correcting AS (
        -- A word that is known and in no heading is another organizer's.
        SELECT lexeme FROM words
        WHERE (is_known OR weights && '{A,B,C}') AND search_may_correct(lexeme)
        ORDER BY 'A' = ANY(weights) DESC, weights && '{A,B,C}' DESC
        LIMIT least(50, 1000 - (
            SELECT count(*) FROM (
                SELECT FROM events_searchword
                WHERE brought_by = NEW.organizer_id AND corrects AND in_texts IS NULL
                LIMIT 1000
            ) AS new
        ))
    )
    INSERT INTO events_searchword (word, brought_by, corrects)
    SELECT lexeme, NEW.organizer_id, correcting.lexeme IS NOT NULL
    FROM words LEFT JOIN correcting USING (lexeme)
    WHERE NOT is_known OR correcting.lexeme IS NOT NULL;
    RETURN NEW;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0026_short_pending_list")]

    operations = [migrations.RunSQL(FUNCTION, migrations.RunSQL.noop)]

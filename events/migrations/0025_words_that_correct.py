"""Bound the words that misspelt words are compared with.

The comparison takes time for each of them, so they are the words of headings and the words that
several organizers use. New ones are capped by event and by organizer. The hourly count of words
decides afterwards.
"""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations, models

from config.api.sql.concurrent_indexes import BuildIndex, DropIndex

FUNCTIONS = r"""
CREATE FUNCTION search_may_correct(word text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT length(word) BETWEEN 3 AND 62 AND word !~ '[0-9]' $$;
COMMENT ON FUNCTION search_may_correct IS
    'Whether a misspelt word, of 4 to 60 letters, may be at most two letters away.';

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

-- Fires for an event that is deleted or restored too.
CREATE OR REPLACE TRIGGER event_search_refresh
BEFORE INSERT OR UPDATE OF name, location, description, category_id, deleted_at ON events_event
FOR EACH ROW EXECUTE FUNCTION event_search_refresh();

CREATE OR REPLACE FUNCTION search_near(given text)
RETURNS TABLE (word text, in_headings integer, in_texts integer)
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET pg_trgm.similarity_threshold = 0.2
AS $$
    SELECT known.word, max(known.in_headings), coalesce(max(known.in_texts), 0)
    FROM events_searchword known
    WHERE known.word OPERATOR(public.%) given
        AND known.corrects
        AND known.in_texts IS DISTINCT FROM 0
        AND length(known.word) BETWEEN length(given) - 2 AND length(given) + 2
        AND public.levenshtein_less_equal(known.word, given, 3) <= 3
    GROUP BY known.word
    ORDER BY public.similarity(known.word, given) DESC, known.word
    LIMIT 50
$$;
"""

# The next count adds words of several organizers.
MARK = """
    UPDATE events_searchword SET corrects = true WHERE in_headings > 0 AND search_may_correct(word)
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0024_ends_by_default")]

    operations = [
        migrations.AddField(
            "searchword",
            "brought_by",
            models.BigIntegerField(
                help_text="The organizer whose event brought it; none before this was recorded.",
                null=True,
            ),
        ),
        migrations.AddField(
            "searchword",
            "corrects",
            models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether misspelt words are compared with it.",
            ),
        ),
        BuildIndex(
            "searchword",
            models.Index(
                fields=["brought_by"],
                condition=models.Q(corrects=True, in_texts=None),
                name="search_word_new",
            ),
        ),
        BuildIndex(
            "searchword",
            GinIndex(
                OpClass("word", "gin_trgm_ops"),
                condition=models.Q(corrects=True),
                # A misspelt search reads the whole pending list. At its default of 4 MB, 8,000
                # new words made each such search 20 ms slower until the next vacuum.
                gin_pending_list_limit=64,
                name="search_word_corrections",
            ),
        ),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
        migrations.RunSQL(MARK, migrations.RunSQL.noop),
        DropIndex("searchword", "search_word_typos"),
    ]

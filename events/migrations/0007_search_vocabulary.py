"""Words that events have, which misspelt ones are compared with; weights told apart by indexes."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations, models

from events.models.search_word import HeadingWords, NameWords

FUNCTIONS = r"""
CREATE OR REPLACE FUNCTION event_search_refresh() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    category_name text := '';
BEGIN
    IF NEW.category_id IS NOT NULL THEN
        SELECT name || ' ' || slug INTO category_name
        FROM events_category WHERE id = NEW.category_id;
    END IF;
    NEW.search_vector :=
        setweight(to_tsvector('simple', search_words(NEW.name)), 'A')
        || setweight(to_tsvector('simple', search_words(category_name)), 'B')
        || setweight(to_tsvector('simple', search_words(NEW.location)), 'C')
        || setweight(to_tsvector('simple', search_words(NEW.description)), 'D');
    -- Not unique, and so nobody waits for another's commit here, nor for one another.
    INSERT INTO events_searchword (word)
    SELECT lexeme FROM unnest(NEW.search_vector)
    WHERE NOT EXISTS (
        SELECT FROM events_searchword known
        WHERE known.word = lexeme COLLATE "C" AND known.in_texts IS DISTINCT FROM 0
    );
    RETURN NEW;
END
$$;

-- Trigrams of a short word change a lot by one letter; the edit distance decides among the many.
CREATE FUNCTION search_near(given text)
RETURNS TABLE (word text, in_headings integer, in_texts integer)
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET pg_trgm.similarity_threshold = 0.2
AS $$
    SELECT known.word, max(known.in_headings), coalesce(max(known.in_texts), 0)
    FROM events_searchword known
    WHERE known.word OPERATOR(public.%) given
        AND NOT known.word ~ '[0-9]'
        AND known.in_texts IS DISTINCT FROM 0
        AND length(known.word) BETWEEN length(given) - 2 AND length(given) + 2
        AND public.levenshtein_less_equal(known.word, given, 3) <= 3
    GROUP BY known.word
    ORDER BY public.similarity(known.word, given) DESC, known.word
    LIMIT 50
$$;
COMMENT ON FUNCTION search_near IS 'Words of events that look like a word of up to 60 letters.';
"""

DROP = "DROP FUNCTION search_near;"

# Fires the trigger, which fills the vocabulary.
REFRESH = "UPDATE events_event SET name = name;"

# Rare words have to be known as rare, for the planner to take the index.
STATISTICS = "ALTER TABLE events_event ALTER COLUMN search_vector SET STATISTICS 500;"


class Migration(migrations.Migration):
    dependencies = [("events", "0006_coming_events_have_an_organizer")]

    operations = [
        migrations.CreateModel(
            name="SearchWord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("word", models.TextField(db_collation="C")),
                ("in_names", models.PositiveIntegerField(db_default=0, default=0)),
                (
                    "in_headings",
                    models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Events with the word in name, category or location.",
                    ),
                ),
                (
                    "in_texts",
                    models.PositiveIntegerField(
                        help_text="Events with the word anywhere. Null: not counted yet.",
                        null=True,
                    ),
                ),
            ],
        ),
        migrations.AddIndex("searchword", models.Index(fields=["word"], name="search_word")),
        migrations.RemoveIndex("event", "event_search"),
        migrations.RemoveIndex("event", "event_search_typos"),
        migrations.RemoveField("event", "search_text"),
        migrations.RunSQL("DROP FUNCTION search_resembles;", migrations.RunSQL.noop),
        migrations.RunSQL(FUNCTIONS, DROP),
        migrations.RunSQL(REFRESH, migrations.RunSQL.noop),
        migrations.RunSQL(STATISTICS, migrations.RunSQL.noop),
        migrations.AddIndex(
            "searchword",
            GinIndex(
                OpClass("word", "gin_trgm_ops"),
                condition=~models.Q(word__regex="[0-9]"),
                name="search_word_typos",
            ),
        ),
        migrations.AddIndex(
            "event",
            GinIndex(fields=["search_vector"], gin_pending_list_limit=256, name="event_search"),
        ),
        migrations.AddIndex(
            "event",
            GinIndex(
                HeadingWords("search_vector"),
                gin_pending_list_limit=256,
                name="event_heading_search",
            ),
        ),
        migrations.AddIndex(
            "event",
            GinIndex(
                NameWords("search_vector"), gin_pending_list_limit=256, name="event_name_search"
            ),
        ),
    ]

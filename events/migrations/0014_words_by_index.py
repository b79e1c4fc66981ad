"""Words that are known already are always looked up by the index.

A plan is kept as long as a session. One that was made while the table of words was known to be empty
read all of it for each event: a first import of 20,000 events stood for minutes. OFFSET 0 keeps each
word's look-up on its own, where the planner would join all of them with the whole table.
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
        OFFSET 0
    );
    RETURN NEW;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0013_sample")]

    operations = [migrations.RunSQL(FUNCTION, migrations.RunSQL.noop)]

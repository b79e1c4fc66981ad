"""The triggers of events and categories, and how their tables are stored."""

from django.db import migrations

# The vocabulary of search. A plan is cached as long as a session. One that was made while the table
# of words was empty read all of it for each event, so sequential scans are off. OFFSET 0 keeps the
# look-up of each word on its own, where the planner would join all of them with the whole table.
SEARCH = r"""
CREATE FUNCTION event_search_refresh() RETURNS trigger
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
CREATE TRIGGER event_search_refresh
BEFORE INSERT OR UPDATE OF name, location, description, category_id, deleted_at ON events_event
FOR EACH ROW EXECUTE FUNCTION event_search_refresh();

CREATE FUNCTION category_search_refresh() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE events_event SET category_id = category_id WHERE category_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER category_search_refresh
AFTER UPDATE OF name, slug ON events_category
FOR EACH ROW EXECUTE FUNCTION category_search_refresh();

CREATE FUNCTION search_near(given text)
RETURNS TABLE (word text, in_headings integer, in_texts integer)
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET pg_trgm.similarity_threshold = 0.2
AS $$
    SELECT known.word, max(known.in_headings), coalesce(max(known.in_texts), 0)
    FROM events_searchword known
    WHERE known.word % given
        AND known.corrects
        AND known.in_texts IS DISTINCT FROM 0
        AND length(known.word) BETWEEN length(given) - 2 AND length(given) + 2
        AND levenshtein_less_equal(known.word, given, 3) <= 3
    GROUP BY known.word
    ORDER BY similarity(known.word, given) DESC, known.word
    LIMIT 50
$$;
COMMENT ON FUNCTION search_near IS 'Words of events that look like a word of up to 60 letters.';
"""

REMINDERS = """
CREATE FUNCTION event_next_reminder_refresh() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- From the moment of the edit on: whoever edits tells people what is new.
    NEW.next_reminder_at := next_reminder(NEW.start_time, NEW.reminder_hours, NEW.updated_at);
    RETURN NEW;
END
$$;

CREATE TRIGGER event_next_reminder_refresh
BEFORE INSERT OR UPDATE OF start_time, reminder_hours ON events_event
FOR EACH ROW EXECUTE FUNCTION event_next_reminder_refresh();
"""

ORGANIZERS = """
CREATE FUNCTION coming_event_has_an_organizer() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM FROM accounts_user
    WHERE id = NEW.organizer_id AND erased_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the organizer''s account has ended'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'coming_event_has_an_organizer';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER coming_event_has_an_organizer_insert
AFTER INSERT ON events_event FOR EACH ROW
WHEN (NEW.deleted_at IS NULL AND NEW.status <> 'cancelled' AND NEW.start_time > now())
EXECUTE FUNCTION coming_event_has_an_organizer();

CREATE TRIGGER coming_event_has_an_organizer_update
AFTER UPDATE OF status, deleted_at, organizer_id ON events_event FOR EACH ROW
WHEN (
    NEW.deleted_at IS NULL AND NEW.status <> 'cancelled' AND NEW.start_time > now()
    AND (NEW.status, NEW.deleted_at, NEW.organizer_id)
        IS DISTINCT FROM (OLD.status, OLD.deleted_at, OLD.organizer_id)
)
EXECUTE FUNCTION coming_event_has_an_organizer();
"""

# Each page has room for the next versions of its events, which registrations write. Search statistics
# include rare words, so that the planner takes the index for them.
STORAGE = """
ALTER TABLE events_event SET (fillfactor = 85);
ALTER TABLE events_event ALTER COLUMN search_vector SET STATISTICS 500;
"""

DROP = """
DROP TRIGGER coming_event_has_an_organizer_update ON events_event;
DROP TRIGGER coming_event_has_an_organizer_insert ON events_event;
DROP FUNCTION coming_event_has_an_organizer;
DROP TRIGGER event_next_reminder_refresh ON events_event;
DROP FUNCTION event_next_reminder_refresh;
DROP FUNCTION search_near;
DROP TRIGGER category_search_refresh ON events_category;
DROP FUNCTION category_search_refresh;
DROP TRIGGER event_search_refresh ON events_event;
DROP FUNCTION event_search_refresh;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0002_initial")]

    operations = [migrations.RunSQL(SEARCH + REMINDERS + ORGANIZERS + STORAGE, DROP)]

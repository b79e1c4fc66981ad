"""What search stands on: two functions, and a trigger that keeps an event's search columns."""

from django.contrib.postgres.operations import CreateExtension
from django.db import migrations

FUNCTIONS = r"""
CREATE FUNCTION search_fold(given text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT lower(public.unaccent('public.unaccent'::regdictionary, given))
$$;
COMMENT ON FUNCTION search_fold IS 'Text without accents, in lower case.';

-- Only letters and digits reach the parser: it would read "node.js" as a host name.
CREATE FUNCTION search_words(given text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT regexp_replace(search_fold(given), '[^[:alnum:]]+', ' ', 'g')
$$;
COMMENT ON FUNCTION search_words IS 'The folded words of a text, with one space in between.';

CREATE FUNCTION search_query(given text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT to_tsquery('simple', string_agg(quote_literal(word) || ':*', ' & '))
    FROM regexp_split_to_table(search_words(given), ' ') AS word
    WHERE word <> ''
$$;
COMMENT ON FUNCTION search_query IS
    'Matches texts that have every word as the beginning of a word; null without words.';

CREATE FUNCTION search_resembles(given text, word text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT EXISTS (
        SELECT FROM unnest(string_to_array(given, ' ')) AS part
        WHERE public.levenshtein_less_equal(left(part, 60), left(word, 60), edits) <= edits
    )
    FROM (SELECT CASE WHEN length(word) < 4 THEN 0 WHEN length(word) < 5 THEN 1 ELSE 2 END)
        AS allowed(edits)
$$;
COMMENT ON FUNCTION search_resembles IS
    'Whether one of the words of a folded text is the word but for one or two letters.';

CREATE FUNCTION event_search_refresh() RETURNS trigger
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
        || setweight(to_tsvector('simple', search_words(NEW.location)), 'B')
        || setweight(to_tsvector('simple', search_words(category_name)), 'B')
        || setweight(to_tsvector('simple', search_words(NEW.description)), 'D');
    NEW.search_text := search_words(NEW.name || ' ' || NEW.location || ' ' || category_name);
    RETURN NEW;
END
$$;

CREATE TRIGGER event_search_refresh
BEFORE INSERT OR UPDATE OF name, location, description, category_id ON events_event
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
"""

DROP = """
DROP TRIGGER category_search_refresh ON events_category;
DROP FUNCTION category_search_refresh;
DROP TRIGGER event_search_refresh ON events_event;
DROP FUNCTION event_search_refresh;
DROP FUNCTION search_resembles;
DROP FUNCTION search_query;
DROP FUNCTION search_words;
DROP FUNCTION search_fold;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]

    operations = [CreateExtension("fuzzystrmatch"), migrations.RunSQL(FUNCTIONS, DROP)]

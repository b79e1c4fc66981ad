"""Functions that generated columns, indexes and triggers of events use.

They use nothing that depends on the version or the locale of the server but `lower`, so indexes on
them stay valid. Changing one of them means to rebuild the indexes that use it.
"""

from django.contrib.postgres.operations import CreateExtension
from django.db import migrations

# Scripts that part no words by spaces: Thai, Lao, Myanmar, Khmer, Han, kana and Bopomofo. First
# the letters, then the marks that belong to the letter before.
LETTERS = (
    r"\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf"
    r"\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081"
    r"\u108e\ua9e0-\ua9e4\ua9e6-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa76\uaa7a\uaa7e\uaa7f"
    r"\u1780-\u17b3\u17d7\u17dc"
    r"\u2e80-\u2fd5\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303b\u3041-\u3096\u309d-\u309f"
    r"\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003fffd"
)
MARKS = (
    r"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"
    r"\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d"
    r"\u108f\u109a-\u109d\ua9e5\uaa7b-\uaa7d\u17b6-\u17d3\u17dd\u3099\u309a"
)
# Vowel signs and viramas, which are no letters to every server, of other scripts: Thaana, the
# Indic scripts, Tibetan, and those of South-East Asia.
SIGNS = (
    r"\u07a6-\u07b0\u0900-\u0903\u093a-\u0950\u0955-\u0963\u0981-\u0983\u09be-\u09d7\u09e2\u09e3"
    r"\u0a01-\u0a03\u0a3e-\u0a51\u0a70\u0a71\u0a75\u0a81-\u0a83\u0abe-\u0acd\u0ae2\u0ae3"
    r"\u0b01-\u0b03\u0b3e-\u0b57\u0b62\u0b63\u0b82\u0bbe-\u0bd7\u0c00-\u0c04\u0c3e-\u0c56\u0c62\u0c63"
    r"\u0c81-\u0c83\u0cbe-\u0cd6\u0ce2\u0ce3\u0d00-\u0d03\u0d3b-\u0d4d\u0d57\u0d62\u0d63"
    r"\u0d81-\u0d83\u0dca-\u0ddf\u0df2\u0df3\u0f71-\u0f84\u0f8d-\u0fbc"
    r"\u1712-\u1715\u1732-\u1734\u1752\u1753\u1772\u1773\u1920-\u193b\u1a17-\u1a1b\u1a55-\u1a7f"
    r"\u1b00-\u1b04\u1b34-\u1b44\u1b80-\u1b82\u1ba1-\u1bad\u1be6-\u1bf3\u1c24-\u1c37"
    r"\ua802\ua806\ua80b\ua823-\ua827\ua82c\ua880\ua881\ua8b4-\ua8c5\ua947-\ua953\ua980-\ua983"
    r"\ua9b3-\ua9c0\uaa29-\uaa36\uaa43\uaa4c\uaa4d\uaaeb-\uaaef\uaaf5\uaaf6\uabe3-\uabed"
)

SEARCH = rf"""
CREATE FUNCTION search_text(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    folded text := text_fold(given);
    is_ascii boolean := octet_length(folded) = length(folded);
BEGIN
    IF NOT is_ascii THEN
        folded := regexp_replace(folded, '[{LETTERS}{MARKS}]+', ' \& ', 'g');
    END IF;
    -- C#, C++ and .NET are words of their own beside the plain ones, which find them too.
    IF strpos(folded, '#') > 0 THEN
        folded := regexp_replace(folded, '([a-z0-9]+)#(?![a-z0-9#])', '\1 \1sharp ', 'g');
    END IF;
    IF strpos(folded, '++') > 0 THEN
        folded := regexp_replace(folded, '([a-z0-9]+)\+\+(?![a-z0-9+])', '\1 \1plusplus ', 'g');
    END IF;
    IF left(folded, 1) = '.' OR strpos(folded, ' .') > 0 OR strpos(folded, '/.') > 0
        OR strpos(folded, '(.') > 0 OR strpos(folded, '".') > 0
    THEN
        folded := regexp_replace(folded, '(^|[ /("])\.([a-z][a-z0-9]*)', '\1\2 dot\2', 'g');
    END IF;
    IF is_ascii THEN
        RETURN regexp_replace(folded, '[^a-z0-9]+', ' ', 'g');
    END IF;
    RETURN regexp_replace(folded, '[^[:alnum:]{SIGNS}{MARKS}]+', ' ', 'g');
END
$$;
COMMENT ON FUNCTION search_text IS
    'The folded words of a text, with one space in between. Runs of scripts without spaces are '
    'words of their own.';

CREATE FUNCTION search_grams(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    -- Each letter is doubled, so that a run of ABC becomes "A AB BC C", less the first one.
    SELECT regexp_replace(
        regexp_replace(
            regexp_replace(words, '[{LETTERS}{MARKS}]+', E'\x01\\&', 'g'),
            '[{LETTERS}][{MARKS}]*', '\& \&', 'g'
        ),
        E'\x01[^ ]* ', '', 'g'
    )
$$;
COMMENT ON FUNCTION search_grams IS
    'The words of search_text, runs of scripts without spaces as each two neighbours and the last '
    'letter alone.';

CREATE FUNCTION search_words(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    words text := search_text(given);
BEGIN
    RETURN CASE WHEN octet_length(words) = length(words) THEN words ELSE search_grams(words) END;
END
$$;
COMMENT ON FUNCTION search_words IS 'What a text is found by, with one space in between.';

CREATE FUNCTION search_positions(words text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    -- The parser is quick, but would split 1e5th behind a number, and drops marks without a letter.
    IF octet_length(words) = length(words) AND words !~ '[0-9]e[0-9]' THEN
        RETURN to_tsvector('simple', words);
    END IF;
    RETURN (
        SELECT coalesce(string_agg(word || ':' || least(nth, 16383), ' '), '')::tsvector
        FROM unnest(string_to_array(btrim(words), ' ')) WITH ORDINALITY AS split(word, nth)
        WHERE octet_length(word) < 2047
    );
END
$$;
COMMENT ON FUNCTION search_positions IS 'Words with one space in between as a tsvector.';

CREATE FUNCTION search_vector_of(
    name text, category text, location text, description text
) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT setweight(search_positions(search_words(name)), 'A')
        || setweight(search_positions(search_words(category)), 'B')
        || setweight(search_positions(search_words(location)), 'C')
        || setweight(search_positions(search_words(description)), 'D')
$$;
COMMENT ON FUNCTION search_vector_of IS 'What an event is found by.';
"""  # noqa: S608  # nosec  # composed of constants only

OTHERS = r"""
CREATE FUNCTION search_names_by_week(vector tsvector, at timestamptz) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT array_to_tsvector(
        coalesce(array_agg(to_char(at AT TIME ZONE 'UTC', 'IYYYIW') || lexeme), '{}')
    )
    FROM unnest(ts_filter(vector, '{a}'))
$$;
COMMENT ON FUNCTION search_names_by_week IS
    'The words of a name, each behind the ISO week of the time in UTC.';

CREATE FUNCTION search_may_correct(word text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT length(word) BETWEEN 3 AND 62 AND word !~ '[0-9]' $$;
COMMENT ON FUNCTION search_may_correct IS
    'Whether a misspelt word, of 4 to 60 letters, may be at most two letters away.';

-- An index is on it, and PostgreSQL maintains indexes without the session's search_path. A body
-- after RETURN refers to the functions themselves and not to their names, so the extension may be in
-- any schema.
CREATE FUNCTION earth_point(latitude double precision, longitude double precision)
RETURNS cube
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN cube(ARRAY[
    6371.0088 * cos(radians(latitude)) * cos(radians(longitude)),
    6371.0088 * cos(radians(latitude)) * sin(radians(longitude)),
    6371.0088 * sin(radians(latitude))
]);
COMMENT ON FUNCTION earth_point IS
    'A point of the surface in space, in kilometres from the centre of a sphere of mean radius.';

CREATE FUNCTION next_reminder(start_time timestamptz, hours smallint[], after timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT min(start_time - make_interval(hours => hour))
    FROM unnest(hours) AS hour
    WHERE start_time - make_interval(hours => hour) > after
$$;
COMMENT ON FUNCTION next_reminder IS
    'The first reminder after a moment; null when there is none. Hours are counted from the start.';
"""

DROP = """
DROP FUNCTION next_reminder;
DROP FUNCTION earth_point;
DROP FUNCTION search_may_correct;
DROP FUNCTION search_names_by_week;
DROP FUNCTION search_vector_of;
DROP FUNCTION search_positions;
DROP FUNCTION search_words;
DROP FUNCTION search_grams;
DROP FUNCTION search_text;
"""


class Migration(migrations.Migration):
    dependencies = [("api", "0001_text_folding")]

    operations = [
        CreateExtension("pg_trgm"),
        CreateExtension("unaccent"),
        CreateExtension("fuzzystrmatch"),
        CreateExtension("cube"),
        migrations.RunSQL(SEARCH + OTHERS, DROP),
    ]

"""Functions that find attendees by names without accents, case and punctuation."""

from django.db import migrations

# Letters that `unaccent` folds as `text_fold` does, and apostrophes.
LATIN = (
    r"A-Za-z0-9\u00c0-\u00c5\u00c7-\u00cf\u00d1-\u00d6\u00d8-\u00dd\u00e0-\u00e5\u00e7-\u00ef"
    r"\u00f1-\u00f6\u00f8-\u00fd\u00ff-\u0125\u0128-\u0131\u0134-\u0137\u0139-\u013e\u0141-\u0148"
    r"\u014c-\u0151\u0154-\u0165\u0168-\u017e''\u2018\u2019"
)
UNACCENTED = (
    "lower(unaccent('unaccent'::regdictionary, "
    r"translate(given, U&'''\2018\2019', '')))"
)
# Letters that have nothing to fold but case: Greek, Cyrillic, Hebrew, Arabic, Thai, kana, Han,
# Hangul.
PLAIN = (
    r"A-Za-z0-9\u0391-\u03a9\u03b1-\u03c1\u03c3-\u03c9\u0410-\u044f\u05d0-\u05ea\u0621\u0627-\u063a"
    r"\u0641-\u0648\u064a\u0e01-\u0e30\u0e32\u0e40-\u0e46\u3041-\u3096\u30a1-\u30fa\u30fc"
    r"\u4e00-\u9fff\uac00-\ud7a3"
)
APOSTROPHES = (
    r"U&'''`\00B4\02B9\02BB\02BC\02BD\02C8\02CA\02CB\055A\05F3\2018\2019\201A\201B\2032\2035"
    r"\A78C\FF07'"
)
# Other punctuation parts words; hyphens and dots do both.
BETWEEN = r"\s\x01-,/:-@\[-`{-~\u00a1-\u00b6\u00b8-\u00bf\u2010-\u2026\u2028-\u205e\u3000-\u303f"
HYPHENS = r"-.\u00b7\u05be\u2027\u30fb"

FUNCTIONS = rf"""
CREATE FUNCTION attendee_words_in_full(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    -- Apostrophes of every kind go first, before folding could make something else of them.
    folded text := public.text_fold(translate(given, {APOSTROPHES}, ''));
BEGIN
    folded := btrim(regexp_replace(folded, '[{BETWEEN}]+', ' ', 'g'));
    IF folded ~ '[{HYPHENS}]' THEN
        RETURN btrim(regexp_replace(folded, '[{HYPHENS} ]+', ' ', 'g'))
            || E'\n' || btrim(regexp_replace(folded, '[{HYPHENS}]+', '', 'g'));
    END IF;
    RETURN folded;
END
$$;
COMMENT ON FUNCTION attendee_words_in_full IS 'See attendee_words.';

-- Inlined into queries, so a plain name costs little. No index is on it, so it may use `unaccent`,
-- which is quicker than `text_fold`, and stable.
CREATE FUNCTION attendee_words(given text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN given ~ '^[A-Za-z0-9]+( [A-Za-z0-9]+)*$'
        THEN lower(given COLLATE "C") COLLATE "default"
        WHEN given ~ '^[{LATIN}]+( [{LATIN}]+)*$' THEN {UNACCENTED}
        WHEN given ~ '^[{LATIN}]+([-. ][{LATIN}]+)*$'
        THEN translate({UNACCENTED}, '-.', '  ') || E'\n' || translate({UNACCENTED}, '-.', '')
        WHEN given ~ '^[{PLAIN}]+( [{PLAIN}]+)*$' THEN lower(given)
        ELSE public.attendee_words_in_full(given)
    END
$$;
COMMENT ON FUNCTION attendee_words IS
    'The folded words of a name. With hyphens or dots two lines: these as spaces, and as nothing.';
"""  # noqa: S608  # nosec  # composed of constants only

DROP = """
DROP FUNCTION attendee_words;
DROP FUNCTION attendee_words_in_full;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("registrations", "0002_triggers"),
        ("api", "0001_text_folding"),
    ]

    operations = [migrations.RunSQL(FUNCTIONS, DROP)]

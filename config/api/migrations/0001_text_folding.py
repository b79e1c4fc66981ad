"""Functions that fold text for search, comparison and alphabetical order.

They use nothing that depends on the version or the locale of the server but `lower`, so indexes on
them stay valid. Changing one of them means to rebuild the indexes that use it.

`text_fold` and `text_alphabet_key` are inlined into queries: text in ASCII, which most names are,
costs little more than `lower`. An inlined function may not be STRICT, and uses nothing that is
STABLE, as `unaccent` is. Names are qualified, since indexes are built with an empty search path.
"""

from django.db import migrations

FUNCTIONS = r"""
CREATE FUNCTION text_fold_beyond_ascii(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    -- Trade marks would become letters, and the spaces of spacing accents would part words.
    folded text := lower(normalize(translate(given, U&'\2122\2120\00AE\00A9', ''), NFKD));
BEGIN
    -- The short i and u of Cyrillic are letters of their own.
    folded := replace(replace(folded, U&'\0438\0306', U&'\0439'), U&'\0443\0306', U&'\045E');
    -- Accents, vowel points, nuktas, and what is invisible. The marks of kana and the vowel signs
    -- of Indic and South-East Asian scripts stay: they distinguish letters.
    folded := regexp_replace(folded, '['
        -- Combining diacritical marks; Cyrillic; Hebrew; Arabic and tatweel
        '\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7'
        '\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed'
        -- Syriac, N'Ko, Samaritan, Mandaic, more of Arabic
        '\u0711\u0730-\u074a\u07eb-\u07f3\u07fd\u0816-\u0819\u081b-\u0823\u0825-\u0827\u0829-\u082d'
        '\u0859-\u085b\u0897-\u089f\u08ca-\u08e1\u08e3-\u08ff'
        -- Nuktas; Vedic accents
        '\u093c\u09bc\u0a3c\u0abc\u0b3c\u0c3c\u0cbc\u0951-\u0954\u1cd0-\u1cfa\ua8e0-\ua8f1'
        -- Ethiopic, Coptic, Cyrillic numerals, tone marks, further diacritical marks
        '\u135d-\u135f\u2cef-\u2cf1\u2de0-\u2dff\u302a-\u302f\ua66f-\ua672\ua674-\ua67d\ua69e\ua69f'
        '\ua6f0\ua6f1\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufb1e\ufe20-\ufe2f'
        -- Default-ignorable code points
        '\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f'
        '\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff'
        ']+', '', 'g');
    folded := normalize(folded, NFC);
    IF folded !~ ('[ßæœøłđðþħıŧŋĸƒɓƈɖɗɠɨƙɫɲɵƥʂʈʉʋƶȼȿɀƀǥςəⱥⱦ‘’‚‛“”„‟‹›«»‐‑‒–—―−⁄♯'
        '\u0649\u06cc\u06a9\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59'
        '\u0901\u094d]')
    THEN
        RETURN folded;
    END IF;
    -- Letters that Unicode does not decompose, and one final letter.
    folded := replace(replace(folded, 'ß', 'ss'), 'æ', 'ae');
    folded := replace(replace(folded, 'œ', 'oe'), 'þ', 'th');
    folded := translate(folded,
        'øłđðħıŧŋĸƒɓƈɖɗɠɨƙɫɲɵƥʂʈʉʋƶȼȿɀƀǥςəⱥⱦ',
        'olddhitnkfbcddgiklnopstuvzcszbgσeat');
    -- Quotation marks and dashes as a keyboard has them.
    folded := translate(folded, '‘“’”‚„‛‟‹«›»‐‑‒–—―−⁄♯', '''"''"''"''"''"''"-------/#');
    -- Letters that Arabic and Persian keyboards have two of; digits.
    folded := translate(folded, U&'\0649\06CC\06A9', U&'\064A\064A\0643');
    folded := translate(folded, '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹', '01234567890123456789');
    folded := translate(
        folded, '०१२३४५६७८९০১২৩৪৫৬৭৮৯๐๑๒๓๔๕๖๗๘๙', '012345678901234567890123456789');
    -- Devanagari writes a nasal before a consonant in several ways: हिन्दी and हिंदी.
    RETURN regexp_replace(
        folded,
        '\u0901|[\u0919\u091e\u0923\u0928\u092e]\u094d(?=[\u0915-\u092e])',
        U&'\0902',
        'g'
    );
END
$$;
COMMENT ON FUNCTION text_fold_beyond_ascii IS 'See text_fold.';

CREATE FUNCTION text_fold(given text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN octet_length(given) = length(given) THEN lower(given COLLATE "C") COLLATE "default"
        -- Names in Latin letters, in a third of the time.
        WHEN given ~ '^[ -~'
            '\u00c0-\u00c5\u00c7-\u00cf\u00d1-\u00d6\u00d8-\u00dd\u00e0-\u00e5\u00e7-\u00ef\u00f1-\u00f6'
            '\u00f8-\u00fd\u00ff-\u0125\u0128-\u0131\u0134-\u0137\u0139-\u013e\u0141-\u0148\u014c-\u0151'
            '\u0154-\u0165\u0168-\u017e\u2013\u2014\u2018\u2019\u201c\u201d]*$'
        THEN lower(regexp_replace(
            normalize(translate(given, 'ŁłØøĐđı‘“’”–—', 'LlOoDdi''"''"--'), NFKD),
            '[\u0300-\u036f]+', '', 'g'
        ))
        ELSE public.text_fold_beyond_ascii(given)
    END
$$;
COMMENT ON FUNCTION text_fold IS
    'Text without case, accents, vowel points, invisible characters and compatibility forms.';

CREATE FUNCTION text_pattern(given text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT '%' || replace(replace(replace(public.text_fold(given), '\', '\\'), '%', '\%'), '_', '\_') || '%'
$$;
COMMENT ON FUNCTION text_pattern IS
    'Of LIKE: matches folded texts that contain the given one, folded too.';

CREATE FUNCTION text_alphabet_key_beyond_ascii(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    folded text := public.text_fold(given);
BEGIN
    -- Thai and Lao write some vowels before the consonant that they are sorted after.
    IF folded ~ '[\u0e40-\u0e44\u0ec0-\u0ec4]' THEN
        folded := regexp_replace(
            folded, '([\u0e40-\u0e44\u0ec0-\u0ec4])([\u0e01-\u0e2e\u0e81-\u0eae])', '\2\1', 'g');
    END IF;
    -- An entry of an index has room for so much at four bytes a letter.
    RETURN left(folded, 200) || E'\x01' || left(lower(normalize(given, NFC)), 200);
END
$$;
COMMENT ON FUNCTION text_alphabet_key_beyond_ascii IS 'See text_alphabet_key.';

CREATE FUNCTION text_alphabet_key(given text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN octet_length(given) = length(given) THEN lower(given COLLATE "C") COLLATE "default"
        ELSE public.text_alphabet_key_beyond_ascii(given)
    END
$$;
COMMENT ON FUNCTION text_alphabet_key IS
    'Sorts names of up to 200 letters by their folded text, then by accents. For COLLATE "C".';
"""

DROP = """
DROP FUNCTION text_alphabet_key;
DROP FUNCTION text_alphabet_key_beyond_ascii;
DROP FUNCTION text_pattern;
DROP FUNCTION text_fold;
DROP FUNCTION text_fold_beyond_ascii;
"""


class Migration(migrations.Migration):
    dependencies = []

    operations = [migrations.RunSQL(FUNCTIONS, DROP)]

"""Functions that find the extensions in whatever schema they are.

Some providers install extensions into a schema of their own, which is in the `search_path`.
"""

from importlib import import_module

from django.db import migrations

FORMER = import_module("events.migrations.0025_words_that_correct").FUNCTIONS
SEARCH_NEAR = (
    FORMER[FORMER.index("CREATE OR REPLACE FUNCTION search_near") :]
    .replace("OPERATOR(public.%)", "%")
    .replace("public.levenshtein_less_equal", "levenshtein_less_equal")
    .replace("public.similarity", "similarity")
)

# An index is on it, and PostgreSQL maintains indexes without the session's `search_path`. A body
# after RETURN refers to the functions themselves and not to their names.
POINT = """
CREATE OR REPLACE FUNCTION earth_point(latitude double precision, longitude double precision)
RETURNS cube
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN cube(ARRAY[
    6371.0088 * cos(radians(latitude)) * cos(radians(longitude)),
    6371.0088 * cos(radians(latitude)) * sin(radians(longitude)),
    6371.0088 * sin(radians(latitude))
]);
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0027_help_texts")]

    operations = [migrations.RunSQL(SEARCH_NEAR + POINT, migrations.RunSQL.noop)]

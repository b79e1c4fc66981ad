"""Words of names by week, for the soonest events with several words.

A million events took 9 s and 35 MB.
"""

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models

from config.api.sql.concurrent_indexes import BuildIndex
from events.models.search_word import NamesByWeek

FUNCTION = r"""
CREATE OR REPLACE FUNCTION search_names_by_week(vector tsvector, at timestamptz) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT array_to_tsvector(
        coalesce(array_agg(to_char(at AT TIME ZONE 'UTC', 'IYYYIW') || lexeme), '{}')
    )
    FROM unnest(ts_filter(vector, '{a}'))
$$;
COMMENT ON FUNCTION search_names_by_week IS
    'The words of a name, each behind the ISO week of the time in UTC.';
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0011_room_for_counters")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION search_names_by_week;"),
        BuildIndex(
            "event",
            GinIndex(
                NamesByWeek("search_vector", "start_time"),
                condition=models.Q(deleted_at=None, status="published"),
                fastupdate=False,
                name="public_names_by_week",
            ),
        ),
    ]

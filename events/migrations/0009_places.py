"""Where events are on Earth, and an index of what is near."""

from django.contrib.postgres.indexes import GistIndex
from django.contrib.postgres.operations import CreateExtension
from django.db import migrations, models

from events.models.expressions import Point

POINT = """
CREATE FUNCTION earth_point(latitude double precision, longitude double precision)
RETURNS public.cube
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT public.cube(ARRAY[
        6371.0088 * cos(radians(latitude)) * cos(radians(longitude)),
        6371.0088 * cos(radians(latitude)) * sin(radians(longitude)),
        6371.0088 * sin(radians(latitude))
    ])
$$;
COMMENT ON FUNCTION earth_point IS
    'A point of the surface in space, in kilometres from the centre of a sphere of mean radius.';
"""

LATITUDE = models.FloatField(blank=True, help_text="Degrees north (WGS 84).", null=True)
LONGITUDE = models.FloatField(blank=True, help_text="Degrees east.", null=True)

ON_EARTH = models.Q(
    models.Q(
        ("latitude__isnull", False),
        ("longitude__isnull", False),
        ("latitude__range", (-90, 90)),
        ("longitude__range", (-180, 180)),
    ),
    models.Q(("latitude__isnull", True), ("longitude__isnull", True)),
    _connector="OR",
)


class Migration(migrations.Migration):
    dependencies = [("events", "0008_filters_by_index")]

    operations = [
        CreateExtension("cube"),
        migrations.RunSQL(POINT, "DROP FUNCTION earth_point;"),
        migrations.AddField("event", "latitude", LATITUDE),
        migrations.AddField("event", "longitude", LONGITUDE),
        migrations.AddField("series", "latitude", LATITUDE),
        migrations.AddField("series", "longitude", LONGITUDE),
        migrations.AddConstraint(
            "event", models.CheckConstraint(condition=ON_EARTH, name="event_on_earth")
        ),
        migrations.AddConstraint(
            "series", models.CheckConstraint(condition=ON_EARTH, name="series_on_earth")
        ),
        migrations.AddIndex(
            "event",
            GistIndex(
                Point("latitude", "longitude"),
                condition=models.Q(
                    ("deleted_at", None), ("status", "published"), ("latitude__isnull", False)
                ),
                name="public_by_place",
            ),
        ),
    ]

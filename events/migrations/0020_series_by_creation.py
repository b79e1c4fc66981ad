"""An index for the list of series, in its default order."""

from django.db import migrations, models

from config.api.sql.concurrent_indexes import BuildIndex


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0019_attendance_by_index")]

    operations = [
        BuildIndex(
            "series",
            models.Index(
                fields=["created_at", "id"],
                condition=models.Q(deleted_at=None),
                name="series_by_creation",
            ),
        ),
    ]

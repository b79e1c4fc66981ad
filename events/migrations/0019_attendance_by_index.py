"""An index for the filter on how people attend."""

from django.db import migrations, models

from config.api.sql.concurrent_indexes import BuildIndex


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0018_attendance_and_cancellation")]

    operations = [
        BuildIndex(
            "event",
            models.Index(
                fields=["attendance_mode", "start_time", "id"],
                condition=models.Q(deleted_at=None, status="published"),
                name="public_by_attendance",
            ),
        ),
    ]

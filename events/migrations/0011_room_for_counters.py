"""Room in each page for the next versions of its events, which registrations write."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("events", "0010_staff_and_categories_by_index")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE events_event SET (fillfactor = 85);",
            "ALTER TABLE events_event RESET (fillfactor);",
        )
    ]

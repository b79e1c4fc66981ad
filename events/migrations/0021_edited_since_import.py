"""Events that were imported and edited before: later versions of their calendars leave them."""

from django.db import migrations

_MARK = """
    UPDATE events_event SET edited_since_import = true
    WHERE import_key IS NOT NULL AND series_id IS NULL AND version > 1;
    UPDATE events_series SET edited_since_import = true
    WHERE version > 1 AND EXISTS (
        SELECT FROM events_event
        WHERE series_id = events_series.id AND import_key IS NOT NULL
    );
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0020_series_by_creation")]

    operations = [migrations.RunSQL(_MARK, migrations.RunSQL.noop)]

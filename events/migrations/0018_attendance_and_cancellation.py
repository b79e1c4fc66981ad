"""How people attend, and until when they may cancel.

Columns with a constant default are added without a rewrite of the table. Rows whose mode is not the
default are updated last: those with a link, or at a location named Online.
"""

from django.db import migrations, models

_DERIVE = """
    UPDATE {table} SET
        attendance_mode = CASE WHEN lower(location) = 'online' THEN 'online' ELSE 'hybrid' END
    WHERE meeting_url <> '' OR lower(location) = 'online'
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0017_import_versions")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="attendance_mode",
            field=models.CharField(
                choices=[("in_person", "In Person"), ("online", "Online"), ("hybrid", "Hybrid")],
                db_default="in_person",
                default="in_person",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="cancellation_closes_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Until when attendees may cancel. Empty: until the start.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="is_attendance_mode_set",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="The mode was chosen, and no edit derives it again from location and link.",
            ),
        ),
        migrations.AddField(
            model_name="series",
            name="attendance_mode",
            field=models.CharField(
                choices=[("in_person", "In Person"), ("online", "Online"), ("hybrid", "Hybrid")],
                db_default="in_person",
                default="in_person",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="series",
            name="cancellation_closes_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Until when attendees may cancel. Empty: until the start.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="series",
            name="is_attendance_mode_set",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="The mode was chosen, and no edit derives it again from location and link.",
            ),
        ),
        *(
            migrations.RunSQL(_DERIVE.format(table=table), migrations.RunSQL.noop)
            for table in ("events_event", "events_series")
        ),
    ]

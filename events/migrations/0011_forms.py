"""The questions of events and series, and the triggers that record their changes."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

TRIGGERS = """
CREATE FUNCTION form_record_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM record_change(
        'form.changed',
        CASE WHEN TG_TABLE_NAME = 'events_event' THEN NEW.id END,
        CASE WHEN TG_TABLE_NAME = 'events_series' THEN NEW.id END,
        'form', NEW.id::text, NULL
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER form_record_change
AFTER UPDATE OF form_id ON events_event
FOR EACH ROW WHEN (OLD.form_id IS DISTINCT FROM NEW.form_id)
EXECUTE FUNCTION form_record_change();

CREATE TRIGGER form_record_change
AFTER UPDATE OF form_id ON events_series
FOR EACH ROW WHEN (OLD.form_id IS DISTINCT FROM NEW.form_id)
EXECUTE FUNCTION form_record_change();
"""

DROP = """
DROP TRIGGER form_record_change ON events_series;
DROP TRIGGER form_record_change ON events_event;
DROP FUNCTION form_record_change;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0010_visibility"),
    ]

    operations = [
        migrations.CreateModel(
            name="Form",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveIntegerField(help_text="Counts the versions, from 1.")),
                ("questions", models.JSONField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "previous",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="The version before.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="events.form",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="event",
            name="form",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                help_text="The current version of the questions. Empty: registering asks none.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="events.form",
            ),
        ),
        migrations.AddField(
            model_name="series",
            name="form",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                help_text="The current version of the questions. Empty: registering asks none.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="events.form",
            ),
        ),
        migrations.RunSQL(TRIGGERS, DROP),
    ]

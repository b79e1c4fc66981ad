"""Answers to the questions of an event, and the limits of options."""

import django.db.models.deletion
from django.db import migrations, models

# Changes of names, guests and sizes are recorded already.
TRIGGER = """
CREATE TRIGGER registration_record_answers
AFTER UPDATE OF answers ON registrations_registration
FOR EACH ROW WHEN (
    OLD.answers IS DISTINCT FROM NEW.answers
    AND (OLD.guests, OLD.party_size, OLD.name) = (NEW.guests, NEW.party_size, NEW.name)
)
EXECUTE FUNCTION registration_record_change();
"""

DROP = "DROP TRIGGER registration_record_answers ON registrations_registration;"


# In the order of the statement that registers, so that neither waits for the other.
KEEP_WRITERS_OUT = """
LOCK TABLE events_event IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE registrations_registration IN ACCESS EXCLUSIVE MODE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0011_forms"),
        ("registrations", "0012_door_links"),
    ]

    operations = [
        migrations.RunSQL(KEEP_WRITERS_OUT, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="registration",
            name="answers",
            field=models.JSONField(
                blank=True,
                db_default={},
                default=dict,
                editable=False,
                help_text="The registrant's answers by the key of the question.",
            ),
        ),
        migrations.AlterField(
            model_name="registration",
            name="guests",
            field=models.JSONField(
                blank=True,
                db_default=[],
                default=list,
                editable=False,
                help_text="The named guests: name and email of each, and answers if the event asks them.",
            ),
        ),
        migrations.CreateModel(
            name="OptionLimit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(help_text="Of the question.", max_length=64)),
                ("value", models.CharField(help_text="Of the option.", max_length=100)),
                ("limit", models.PositiveIntegerField()),
                ("taken", models.PositiveIntegerField(default=0)),
                (
                    "event",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="option_limits",
                        to="events.event",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("event", "key", "value"), name="one_limit_per_option"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("taken__lte", models.F("limit"))),
                        name="option_not_overtaken",
                    ),
                ],
            },
        ),
        migrations.RunSQL(TRIGGER, DROP),
    ]

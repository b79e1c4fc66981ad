"""Rewrites help texts. The tables do not change."""

import datetime

import django.contrib.postgres.fields
from django.db import migrations, models

import events.models.local_time


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0026_fewer_indexes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="event",
            name="cancellation_closes_at",
            field=models.DateTimeField(
                blank=True,
                help_text="The latest time for cancellations. Empty: the start.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="edited_by_hand",
            field=models.BooleanField(
                default=False,
                editable=False,
                help_text="Edited by hand: edits of the series skip it.",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="edited_since_import",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="Edited by hand: later versions of its calendar skip it.",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="ends_by_default",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="The end is the default one: an hour after the start.",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="feedback_asked_at",
            field=models.DateTimeField(
                editable=False, help_text="The time of the invitation to give feedback.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="import_key",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="Identifies its row in the imported file.",
                max_length=64,
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="import_sequence",
            field=models.PositiveIntegerField(
                editable=False, help_text="SEQUENCE of the imported calendar entry.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="is_attendance_mode_set",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="The mode was chosen. Edits do not derive it from location and link.",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="is_available",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.ExpressionWrapper(
                    models.Q(
                        ("waitlist_count", 0),
                        models.Q(
                            ("max_capacity", None),
                            ("registered_count__lt", models.F("max_capacity")),
                            _connector="OR",
                        ),
                    ),
                    output_field=models.BooleanField(),
                ),
                help_text="Whether a new registration gets a seat. An index on the counters would be updated by every registration.",
                output_field=models.BooleanField(),
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="last_queue_number",
            field=models.PositiveBigIntegerField(
                default=0, editable=False, help_text="The highest queue number that was assigned."
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="next_reminder_at",
            field=models.DateTimeField(
                editable=False,
                help_text="The next due reminder. A trigger maintains it.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="nominal_start",
            field=events.models.local_time.LocalDateTimeField(
                editable=False,
                help_text="The wall-clock time by the rule of its series, before gaps of the clocks and edits by hand. It identifies the occurrence. Empty if the rule no longer has it.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="rule_number",
            field=models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="The number of its rule in the series. An edit of times starts another rule.",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="sequence",
            field=models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="RFC 5545 SEQUENCE: increases with changes of time, location or status.",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="version",
            field=models.PositiveIntegerField(
                default=1,
                editable=False,
                help_text="Increases with every edit, not with registrations.",
            ),
        ),
        migrations.AlterField(
            model_name="searchword",
            name="brought_by",
            field=models.BigIntegerField(
                help_text="The first organizer with the word. Null: unknown.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="searchword",
            name="corrects",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Whether it corrects misspelt words."
            ),
        ),
        migrations.AlterField(
            model_name="series",
            name="cancellation_closes_at",
            field=models.DateTimeField(
                blank=True,
                help_text="The latest time for cancellations. Empty: the start.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="series",
            name="edited_since_import",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="Edited by hand: later versions of its calendar skip it.",
            ),
        ),
        migrations.AlterField(
            model_name="series",
            name="excluded",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=32),
                blank=True,
                default=list,
                help_text="Excluded nominal days, and instants in UTC (RFC 5545 EXDATE).",
                size=None,
            ),
        ),
        migrations.AlterField(
            model_name="series",
            name="filled_to",
            field=models.DateTimeField(
                editable=False,
                help_text="Occurrences exist up to this time. Empty if the rule has an end.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="series",
            name="former_rules",
            field=models.JSONField(
                default=dict,
                editable=False,
                help_text="Zone and clock offsets of former rules with coming occurrences, by number.",
            ),
        ),
        migrations.AlterField(
            model_name="series",
            name="is_attendance_mode_set",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="The mode was chosen. Edits do not derive it from location and link.",
            ),
        ),
        migrations.AlterField(
            model_name="series",
            name="moved_by",
            field=models.DurationField(
                default=datetime.timedelta,
                editable=False,
                help_text="The sum of the moves of the written rule, on the clock.",
            ),
        ),
        migrations.AlterField(
            model_name="series",
            name="rule",
            field=models.TextField(help_text="RFC 5545 RRULE, as rendered."),
        ),
        migrations.AlterField(
            model_name="series",
            name="rule_number",
            field=models.PositiveIntegerField(
                default=0, editable=False, help_text="The number of the current rule."
            ),
        ),
        migrations.AlterField(
            model_name="series",
            name="rule_timezone",
            field=models.CharField(
                help_text="The zone of the rule: `timezone`, unless that alone was changed later.",
                max_length=64,
            ),
        ),
        migrations.AlterField(
            model_name="series",
            name="written_rule",
            field=models.TextField(editable=False, help_text="The rule before its moves."),
        ),
        migrations.AlterField(
            model_name="series",
            name="written_start",
            field=events.models.local_time.LocalDateTimeField(
                editable=False, help_text="The wall-clock start of the written rule."
            ),
        ),
    ]

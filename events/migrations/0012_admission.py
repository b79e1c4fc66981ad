"""Modes of registration, and the people who wait for a decision."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0011_forms"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="pending_count",
            field=models.PositiveIntegerField(
                db_default=0, default=0, editable=False, help_text="People who wait for a decision."
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="registration_mode",
            field=models.CharField(
                choices=[
                    ("open", "Open"),
                    ("confirm_address", "Confirm Address"),
                    ("approval", "Approval"),
                    ("code", "Code"),
                ],
                db_default="open",
                default="open",
                help_text="What a registration needs to get a seat or a place on the waitlist.",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="series",
            name="registration_mode",
            field=models.CharField(
                choices=[
                    ("open", "Open"),
                    ("confirm_address", "Confirm Address"),
                    ("approval", "Approval"),
                    ("code", "Code"),
                ],
                db_default="open",
                default="open",
                help_text="What a registration needs to get a seat or a place on the waitlist.",
                max_length=16,
            ),
        ),
    ]

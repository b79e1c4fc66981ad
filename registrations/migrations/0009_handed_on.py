"""Places that are handed on: their earlier links are void, and the ledger says so."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registrations", "0008_one_spelling"),
    ]

    operations = [
        migrations.AddField(
            model_name="registration",
            name="link_version",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="Grows when the place is handed on, which voids the links sent before.",
            ),
        ),
        migrations.AlterField(
            model_name="ledgerentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("registered", "Registered"),
                    ("queued", "Queued"),
                    ("promoted", "Promoted"),
                    ("cancelled", "Cancelled"),
                    ("handed_on", "Handed On"),
                    ("checked_in", "Checked In"),
                    ("check_in_undone", "Check In Undone"),
                ],
                max_length=16,
            ),
        ),
    ]

"""Parties: people of a registration, of a scan and of a ledger entry."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

FINAL = """
CREATE TRIGGER ledger_people_is_final
BEFORE UPDATE OF people ON registrations_ledgerentry
FOR EACH ROW WHEN (OLD.people IS DISTINCT FROM NEW.people)
EXECUTE FUNCTION ledger_key_is_final();
"""

DROP = "DROP TRIGGER ledger_people_is_final ON registrations_ledgerentry;"

# Renames are recorded already. A changed size is in the ledger.
RECORD_GUESTS = """
CREATE TRIGGER registration_record_guests
AFTER UPDATE OF guests ON registrations_registration
FOR EACH ROW WHEN (
    OLD.guests IS DISTINCT FROM NEW.guests AND OLD.party_size = NEW.party_size
    AND OLD.name = NEW.name
)
EXECUTE FUNCTION registration_record_change();
"""

DROP_GUESTS = "DROP TRIGGER registration_record_guests ON registrations_registration;"


# In the order of the statement that registers, so that neither waits for the other.
KEEP_WRITERS_OUT = """
LOCK TABLE events_event IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE registrations_registration IN ACCESS EXCLUSIVE MODE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0008_parties"),
        ("registrations", "0009_ledger_by_transaction"),
    ]

    operations = [
        migrations.RunSQL(KEEP_WRITERS_OUT, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="ledgerentry",
            name="people",
            field=models.PositiveSmallIntegerField(
                db_default=1, default=1, help_text="How many people of the party it is about."
            ),
        ),
        migrations.AddField(
            model_name="registration",
            name="absent_count",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="How many people of a party that is checked in are not admitted yet.",
            ),
        ),
        migrations.AddField(
            model_name="registration",
            name="guests",
            field=models.JSONField(
                blank=True,
                db_default=[],
                default=list,
                editable=False,
                help_text="The named guests: name and email of each.",
            ),
        ),
        migrations.AddField(
            model_name="registration",
            name="party_size",
            field=models.PositiveSmallIntegerField(
                db_default=1, default=1, help_text="The number of people, the registrant included."
            ),
        ),
        migrations.AddField(
            model_name="scan",
            name="absent_count",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="After this scan."
            ),
        ),
        migrations.AddField(
            model_name="scan",
            name="count",
            field=models.PositiveSmallIntegerField(
                help_text="How many people it admits. Empty: all who were not admitted yet.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="scan",
            name="party_size",
            field=models.PositiveSmallIntegerField(
                db_default=1, default=1, help_text="The size of the party at the time of the scan."
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
                    ("party_grown", "Party Grown"),
                    ("party_shrunk", "Party Shrunk"),
                ],
                max_length=16,
            ),
        ),
        AddConstraintNotValid(
            model_name="registration",
            constraint=models.CheckConstraint(
                condition=models.Q(("party_size__gt", models.F("absent_count"))),
                name="party_has_its_people",
            ),
        ),
        migrations.RunSQL(FINAL, DROP),
        migrations.RunSQL(RECORD_GUESTS, DROP_GUESTS),
    ]

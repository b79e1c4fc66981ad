"""Whether everybody may see the name of a registration. Its edits are recorded changes."""

from django.db import migrations, models

RECORD = """
CREATE TRIGGER registration_record_show_name
AFTER UPDATE OF show_name ON registrations_registration
FOR EACH ROW WHEN (
    OLD.show_name IS DISTINCT FROM NEW.show_name
    AND OLD.name = NEW.name AND OLD.link_version = NEW.link_version
)
EXECUTE FUNCTION registration_record_change();
"""


class Migration(migrations.Migration):
    dependencies = [("registrations", "0016_webhooks")]

    operations = [
        migrations.AddField(
            model_name="registration",
            name="show_name",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Everybody may see the name, if the event has a list of names.",
            ),
        ),
        migrations.RunSQL(
            RECORD, "DROP TRIGGER registration_record_show_name ON registrations_registration"
        ),
    ]

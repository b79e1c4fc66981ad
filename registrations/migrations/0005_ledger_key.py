"""The API key in the ledger, which is never changed later."""

import django.db.models.deletion
from django.db import migrations, models

FINAL = """
CREATE FUNCTION ledger_key_is_final() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER ledger_key_is_final
BEFORE UPDATE OF key_id ON registrations_ledgerentry
FOR EACH ROW WHEN (OLD.key_id IS DISTINCT FROM NEW.key_id)
EXECUTE FUNCTION ledger_key_is_final();
"""

DROP = """
DROP TRIGGER ledger_key_is_final ON registrations_ledgerentry;
DROP FUNCTION ledger_key_is_final;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_api_keys"),
        ("registrations", "0004_scans"),
    ]

    operations = [
        migrations.AddField(
            model_name="ledgerentry",
            name="key",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text="The API key of the actor that changed it.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="accounts.apikey",
                verbose_name="API key",
            ),
        ),
        migrations.RunSQL(FINAL, DROP),
    ]

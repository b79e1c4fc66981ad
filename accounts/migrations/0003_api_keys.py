"""API keys, and the key in the audit, which is never changed later."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

FINAL = """
CREATE FUNCTION audit_key_is_final() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER audit_key_is_final
BEFORE UPDATE OF key_id ON accounts_auditentry
FOR EACH ROW WHEN (OLD.key_id IS DISTINCT FROM NEW.key_id)
EXECUTE FUNCTION audit_key_is_final();
"""

DROP = """
DROP TRIGGER audit_key_is_final ON accounts_auditentry;
DROP FUNCTION audit_key_is_final;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_audit_trigger"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                (
                    "hint",
                    models.CharField(
                        help_text="How the key begins, to recognize it by.", max_length=16
                    ),
                ),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                (
                    "previous_digest",
                    models.BinaryField(
                        help_text="Of the key before the latest rotation.",
                        max_length=32,
                        null=True,
                        unique=True,
                    ),
                ),
                (
                    "previous_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="Until then the key before the latest rotation works.",
                        null=True,
                    ),
                ),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=32), size=None
                    ),
                ),
                (
                    "events",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(),
                        blank=True,
                        help_text="Ids. Empty for all events.",
                        null=True,
                        size=None,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, help_text="Empty: never.", null=True),
                ),
                (
                    "last_used_at",
                    models.DateTimeField(blank=True, help_text="To the minute.", null=True),
                ),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "verbose_name_plural": "API keys",
            },
        ),
        migrations.AddField(
            model_name="auditentry",
            name="key",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text="The API key of the actor that did it.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="accounts.apikey",
                verbose_name="API key",
            ),
        ),
        migrations.RunSQL(FINAL, DROP),
    ]

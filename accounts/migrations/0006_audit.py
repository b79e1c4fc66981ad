"""What organizers and staff changed. It cannot be rewritten; personal values can be erased, by who
says so in their transaction: SET LOCAL accounts.audit_erasure = 'on'."""

import django.core.serializers.json
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

CREATE = """
CREATE FUNCTION audit_is_append_only() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('accounts.audit_erasure', true) = 'on'
        AND (NEW.id, NEW.at, NEW.actor_id, NEW.action, NEW.kind, NEW.row_id, NEW.request_id)
            IS NOT DISTINCT FROM
            (OLD.id, OLD.at, OLD.actor_id, OLD.action, OLD.kind, OLD.row_id, OLD.request_id)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER audit_is_append_only
BEFORE UPDATE OR DELETE ON accounts_auditentry
FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
"""

DROP = """
DROP TRIGGER audit_is_append_only ON accounts_auditentry;
DROP FUNCTION audit_is_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_addresses")]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("action", models.CharField(max_length=32)),
                ("kind", models.CharField(help_text="Of row: event, user …", max_length=32)),
                ("row_id", models.CharField(max_length=36)),
                (
                    "before",
                    models.JSONField(
                        default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder
                    ),
                ),
                (
                    "after",
                    models.JSONField(
                        default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder
                    ),
                ),
                ("request_id", models.CharField(blank=True, max_length=128)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        help_text="The account that did it; empty for commands and the system.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "change",
                "verbose_name_plural": "changes",
                "indexes": [models.Index(fields=["kind", "row_id", "id"], name="audit_by_row")],
            },
        ),
        migrations.RunSQL(CREATE, DROP),
    ]

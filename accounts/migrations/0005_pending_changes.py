"""Changes that are not in the log yet, and the function that triggers of all apps call."""

from django.db import migrations, models

# The type `xid8` has no field in Django. A program that creates a million rows sets
# `changes.are_recorded` to off for its transaction.
RECORD = """
ALTER TABLE accounts_pendingchange
    ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();

CREATE INDEX pending_changes_by_transaction ON accounts_pendingchange (xid);

CREATE FUNCTION record_change(
    type text, event_id bigint, series_id bigint, kind text, object_id text, actor_id bigint
) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF current_setting('changes.are_recorded', true) = 'off' THEN
        RETURN;
    END IF;
    INSERT INTO accounts_pendingchange
        (id, type, event_id, series_id, kind, object_id, at, actor_id)
    VALUES (
        nextval('registrations_ledgerentry_id_seq'),
        type, event_id, series_id, kind, object_id, now(), actor_id
    );
END
$$;

COMMENT ON FUNCTION record_change IS 'Adds a change to the log. actor_id is an account or NULL.';
"""

DROP = "DROP FUNCTION record_change"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_user_has_team")]

    operations = [
        migrations.CreateModel(
            name="PendingChange",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("type", models.CharField(max_length=40)),
                ("event_id", models.BigIntegerField(null=True)),
                ("series_id", models.BigIntegerField(null=True)),
                ("kind", models.CharField(max_length=16)),
                ("object_id", models.CharField(max_length=36)),
                ("at", models.DateTimeField()),
                ("actor_id", models.BigIntegerField(null=True)),
                ("key_id", models.BigIntegerField(null=True)),
            ],
        ),
        migrations.RunSQL(RECORD, DROP),
    ]

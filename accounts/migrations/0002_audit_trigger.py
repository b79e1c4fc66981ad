"""The audit cannot be rewritten, and counters that may be lost are unlogged.

Personal values of the audit may be erased in a transaction after
SET LOCAL accounts.audit_erasure = 'on'.
"""

from django.db import migrations

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

# A crash of the server empties these tables. Limits then count from zero.
UNLOGGED = """
ALTER TABLE accounts_signinfailures SET UNLOGGED;
ALTER TABLE accounts_mailboxbudget SET UNLOGGED;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunSQL(UNLOGGED, migrations.RunSQL.noop),
    ]

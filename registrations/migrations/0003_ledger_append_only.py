"""The ledger cannot be rewritten. Whoever has to purge it says so first, in their transaction:
SET LOCAL registrations.ledger_purge = 'on'."""

from django.db import migrations

CREATE = """
CREATE FUNCTION ledger_is_append_only() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF current_setting('registrations.ledger_purge', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    -- Only the actor may go, with the account.
    IF TG_OP = 'UPDATE' AND NEW.actor_id IS NULL
        AND (NEW.id, NEW.event_id, NEW.registration_id, NEW.kind, NEW.at, NEW.reason)
            = (OLD.id, OLD.event_id, OLD.registration_id, OLD.kind, OLD.at, OLD.reason)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER ledger_is_append_only
BEFORE UPDATE OR DELETE ON registrations_ledgerentry
FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
"""

DROP = """
DROP TRIGGER ledger_is_append_only ON registrations_ledgerentry;
DROP FUNCTION ledger_is_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [("registrations", "0002_ledger_and_check_in")]

    operations = [migrations.RunSQL(CREATE, DROP)]

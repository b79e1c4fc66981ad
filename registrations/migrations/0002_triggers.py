"""The ledger cannot be rewritten, and feedback updates the average of its event.

A purge of the ledger is allowed in a transaction after
SET LOCAL registrations.ledger_purge = 'on'.
"""

from django.db import migrations

LEDGER = """
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

FEEDBACK = """
CREATE FUNCTION event_rating_refresh() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    rated bigint := COALESCE(NEW.event_id, OLD.event_id);
BEGIN
    -- Locked first: the statement after it then sees what others committed meanwhile.
    PERFORM 1 FROM events_event WHERE id = rated FOR NO KEY UPDATE;
    UPDATE events_event SET feedback_count = shown.number, average_rating = shown.average
    FROM (
        SELECT count(*) AS number, round(avg(rating), 2) AS average
        FROM registrations_feedback WHERE event_id = rated AND hidden_at IS NULL
    ) AS shown
    WHERE id = rated;
    RETURN NULL;
END
$$;

CREATE TRIGGER event_rating_refresh
AFTER INSERT OR DELETE OR UPDATE OF rating, hidden_at ON registrations_feedback
FOR EACH ROW EXECUTE FUNCTION event_rating_refresh();
"""

DROP = """
DROP TRIGGER event_rating_refresh ON registrations_feedback;
DROP FUNCTION event_rating_refresh;
DROP TRIGGER ledger_is_append_only ON registrations_ledgerentry;
DROP FUNCTION ledger_is_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [("registrations", "0001_initial")]

    operations = [migrations.RunSQL(LEDGER + FEEDBACK, DROP)]

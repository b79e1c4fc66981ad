"""No event lies ahead whose organizer's account has ended. An account ends with its row locked
FOR NO KEY UPDATE, so whoever makes or publishes an event waits for that end, and then sees it."""

from django.db import migrations

CREATE = """
CREATE FUNCTION coming_event_has_an_organizer() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM FROM accounts_user
    WHERE id = NEW.organizer_id AND erased_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the organizer''s account has ended'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'coming_event_has_an_organizer';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER coming_event_has_an_organizer_insert
AFTER INSERT ON events_event FOR EACH ROW
WHEN (NEW.deleted_at IS NULL AND NEW.status <> 'cancelled' AND NEW.start_time > now())
EXECUTE FUNCTION coming_event_has_an_organizer();

CREATE TRIGGER coming_event_has_an_organizer_update
AFTER UPDATE OF status, deleted_at, organizer_id ON events_event FOR EACH ROW
WHEN (
    NEW.deleted_at IS NULL AND NEW.status <> 'cancelled' AND NEW.start_time > now()
    AND (NEW.status, NEW.deleted_at, NEW.organizer_id)
        IS DISTINCT FROM (OLD.status, OLD.deleted_at, OLD.organizer_id)
)
EXECUTE FUNCTION coming_event_has_an_organizer();
"""

DROP = """
DROP TRIGGER coming_event_has_an_organizer_update ON events_event;
DROP TRIGGER coming_event_has_an_organizer_insert ON events_event;
DROP FUNCTION coming_event_has_an_organizer;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_audit"),
        ("events", "0005_series"),
    ]

    operations = [migrations.RunSQL(CREATE, DROP)]

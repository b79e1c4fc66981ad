"""Triggers that record the changes of events, series and teams."""

from django.db import migrations

TRIGGERS = """
CREATE FUNCTION event_record_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    type text;
    actor bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        type := 'created';
        actor := NEW.organizer_id;
    ELSIF NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL THEN
        type := 'deleted';
    ELSIF NEW.deleted_at IS NULL AND OLD.deleted_at IS NOT NULL THEN
        type := 'restored';
    ELSIF NEW.status <> OLD.status THEN
        type := NEW.status;
    ELSE
        type := 'updated';
    END IF;
    PERFORM record_change('event.' || type, NEW.id, NULL, 'event', NEW.id::text, actor);
    RETURN NULL;
END
$$;

CREATE TRIGGER event_record_creation
AFTER INSERT ON events_event
FOR EACH ROW EXECUTE FUNCTION event_record_change();

-- Each edit increases the version. Registrations do not, so they pay nothing for this trigger.
CREATE TRIGGER event_record_change
AFTER UPDATE OF version, status, deleted_at ON events_event
FOR EACH ROW WHEN (
    (OLD.version, OLD.status, OLD.deleted_at)
    IS DISTINCT FROM (NEW.version, NEW.status, NEW.deleted_at)
)
EXECUTE FUNCTION event_record_change();

CREATE FUNCTION series_record_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    type text := 'updated';
    actor bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        type := 'created';
        actor := NEW.organizer_id;
    ELSIF NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL THEN
        type := 'deleted';
    END IF;
    PERFORM record_change('series.' || type, NULL, NEW.id, 'series', NEW.id::text, actor);
    RETURN NULL;
END
$$;

CREATE TRIGGER series_record_creation
AFTER INSERT ON events_series
FOR EACH ROW EXECUTE FUNCTION series_record_change();

CREATE TRIGGER series_record_change
AFTER UPDATE OF version, status, deleted_at ON events_series
FOR EACH ROW WHEN (
    (OLD.version, OLD.status, OLD.deleted_at)
    IS DISTINCT FROM (NEW.version, NEW.status, NEW.deleted_at)
)
EXECUTE FUNCTION series_record_change();

CREATE FUNCTION team_record_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    row events_teammember := coalesce(NEW, OLD);
BEGIN
    PERFORM record_change(
        'team.changed', row.event_id, row.series_id, 'team',
        coalesce(row.event_id, row.series_id)::text, NULL
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER team_record_change
AFTER INSERT OR DELETE OR UPDATE OF role, state ON events_teammember
FOR EACH ROW EXECUTE FUNCTION team_record_change();
"""

DROP = """
DROP TRIGGER team_record_change ON events_teammember;
DROP TRIGGER series_record_change ON events_series;
DROP TRIGGER series_record_creation ON events_series;
DROP TRIGGER event_record_change ON events_event;
DROP TRIGGER event_record_creation ON events_event;
DROP FUNCTION team_record_change, series_record_change, event_record_change;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_pending_changes"),
        ("events", "0006_teams"),
    ]

    operations = [migrations.RunSQL(TRIGGERS, DROP)]

"""When the next reminder of an event is due, and whether its attendees were asked how it was."""

from django.conf import settings
from django.db import migrations, models

CREATE = """
CREATE FUNCTION next_reminder(start_time timestamptz, hours smallint[], after timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT min(start_time - make_interval(hours => hour))
    FROM unnest(hours) AS hour
    WHERE start_time - make_interval(hours => hour) > after
$$;
COMMENT ON FUNCTION next_reminder IS
    'The first reminder after a moment; null when there is none. Hours are counted from the start.';

CREATE FUNCTION event_next_reminder_refresh() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- From the moment of the edit on: whoever edits tells people what is new.
    NEW.next_reminder_at := next_reminder(NEW.start_time, NEW.reminder_hours, NEW.updated_at);
    RETURN NEW;
END
$$;

CREATE TRIGGER event_next_reminder_refresh
BEFORE INSERT OR UPDATE OF start_time, reminder_hours ON events_event
FOR EACH ROW EXECUTE FUNCTION event_next_reminder_refresh();

UPDATE events_event
SET next_reminder_at = next_reminder(start_time, reminder_hours, now())
WHERE start_time > now();
"""

DROP = """
DROP TRIGGER event_next_reminder_refresh ON events_event;
DROP FUNCTION event_next_reminder_refresh;
DROP FUNCTION next_reminder;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0003_first_categories"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="feedback_asked_at",
            field=models.DateTimeField(
                editable=False, help_text="When attendees were asked how it was.", null=True
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="next_reminder_at",
            field=models.DateTimeField(
                editable=False,
                help_text="Of those that are still to come; kept by a trigger.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("next_reminder_at__isnull", False)),
                fields=["next_reminder_at"],
                name="reminders_due",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(
                    ("deleted_at", None), ("status", "published"), ("feedback_asked_at", None)
                ),
                fields=["end_time"],
                name="feedback_not_asked",
            ),
        ),
        migrations.RunSQL(CREATE, DROP),
    ]

"""Counts the waitlisted parties that are larger than the whole event, which others pass."""

from django.db import migrations, models


def _trigger(is_open: str) -> str:
    """The trigger of `is_available`, with a condition for whether newcomers get free seats."""
    is_available = f"""({is_open} OR NEW.waitlist_policy = 'first_fit')
        AND (NEW.max_capacity IS NULL OR NEW.registered_count < NEW.max_capacity)"""
    return f"""
CREATE OR REPLACE FUNCTION event_set_availability() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.is_available := {is_available};
    NEW.was_first_fit := NEW.was_first_fit OR NEW.waitlist_policy = 'first_fit';
    RETURN NEW;
END
$$;

DROP TRIGGER event_set_availability ON events_event;

CREATE TRIGGER event_set_availability
BEFORE INSERT OR UPDATE ON events_event
FOR EACH ROW WHEN (
    NEW.is_available IS DISTINCT FROM ({is_available})
    OR NEW.waitlist_policy = 'first_fit' AND NOT NEW.was_first_fit
)
EXECUTE FUNCTION event_set_availability();
"""


_QUEUE_PASSES = "NEW.waitlist_count - NEW.waitlist_guest_count = NEW.oversized_count"


class Migration(migrations.Migration):
    dependencies = [("events", "0014_attendee_list")]

    operations = [
        migrations.AddField(
            "event",
            "oversized_count",
            models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="How many waitlisted parties are larger than the whole capacity. Others"
                " pass them.",
            ),
        ),
        migrations.RunSQL(_trigger(_QUEUE_PASSES), _trigger("NEW.waitlist_count = 0")),
    ]

"""The policy of the waitlist, and whether a newcomer gets a seat under it."""

from django.db import migrations, models

_POLICY = models.CharField(
    choices=[("strict", "Strict"), ("first_fit", "First Fit")],
    db_default="strict",
    default="strict",
    help_text="Whether seats wait for the first party of the queue, or go to one that fits.",
    max_length=16,
)

# A generated column cannot get another expression without a rewrite of the table. As an ordinary
# one that a trigger maintains, it keeps its values and its indexes. The condition of the trigger is
# evaluated without a call, so most registrations call no function.
AVAILABILITY = """
ALTER TABLE events_event ALTER COLUMN is_available DROP EXPRESSION;
ALTER TABLE events_event ALTER COLUMN is_available SET DEFAULT true;

CREATE FUNCTION event_set_availability() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.is_available := (NEW.waitlist_count = 0 OR NEW.waitlist_policy = 'first_fit')
        AND (NEW.max_capacity IS NULL OR NEW.registered_count < NEW.max_capacity);
    NEW.was_first_fit := NEW.was_first_fit OR NEW.waitlist_policy = 'first_fit';
    RETURN NEW;
END
$$;

CREATE TRIGGER event_set_availability
BEFORE INSERT OR UPDATE ON events_event
FOR EACH ROW WHEN (
    NEW.is_available IS DISTINCT FROM (
        (NEW.waitlist_count = 0 OR NEW.waitlist_policy = 'first_fit')
        AND (NEW.max_capacity IS NULL OR NEW.registered_count < NEW.max_capacity)
    )
    OR NEW.waitlist_policy = 'first_fit' AND NOT NEW.was_first_fit
)
EXECUTE FUNCTION event_set_availability();
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0008_parties")]

    operations = [
        migrations.AddField("event", "waitlist_policy", _POLICY),
        migrations.AddField("series", "waitlist_policy", _POLICY),
        migrations.AddField(
            "event",
            "was_first_fit",
            models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="Newcomers have been allowed to overtake the queue. A trigger maintains"
                " it.",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(AVAILABILITY)],
            state_operations=[
                migrations.AlterField(
                    "event",
                    "is_available",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        editable=False,
                        help_text="Whether a new registration gets a seat. A trigger maintains it."
                        " An index on the counters would be updated by every registration.",
                    ),
                )
            ],
        ),
    ]

"""Feedback, and the trigger that keeps the average and the count of an event."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

CREATE = """
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
"""


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0003_first_categories"),
        ("registrations", "0003_ledger_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Feedback",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("rating", models.PositiveSmallIntegerField(help_text="1 to 5, the best.")),
                ("comment", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("hidden_at", models.DateTimeField(blank=True, null=True)),
                (
                    "hidden_reason",
                    models.CharField(blank=True, help_text="For staff.", max_length=500),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="feedback",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="feedback",
                        to="events.event",
                    ),
                ),
                (
                    "hidden_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "feedback",
                "indexes": [
                    models.Index(
                        condition=models.Q(("hidden_at", None)),
                        fields=["event", "created_at", "id"],
                        include=("rating",),
                        name="shown_feedback",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("event", "author"), name="one_feedback_per_account"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("rating__gte", 1), ("rating__lte", 5)),
                        name="feedback_rating_1_to_5",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("hidden_at", None), ("hidden_reason", "")),
                            models.Q(
                                ("hidden_at__isnull", False),
                                models.Q(("hidden_reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="hidden_feedback_has_its_reason",
                    ),
                ],
            },
        ),
        migrations.RunSQL(CREATE, DROP),
    ]

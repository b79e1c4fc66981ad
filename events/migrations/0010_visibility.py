"""Unlisted events, the numbers of their keys, and the visibility in indexes that are read alone."""

from django.db import migrations, models
from django.db.models import F, Q

from config.api.sql.concurrent_indexes import BuildIndex, DropIndex
from events.models.sample import Halvings, IsSampled

_VISIBILITY = {
    "choices": [("public", "Public"), ("unlisted", "Unlisted")],
    "db_default": "public",
    "default": "public",
    "help_text": "Unlisted: found by its secret link alone.",
    "max_length": 16,
}
_IS_PUBLISHED = Q(deleted_at=None, status="published")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0009_waitlist_policy")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="key_number",
            field=models.PositiveIntegerField(
                db_default=1,
                default=1,
                editable=False,
                help_text="The secret key of the event changes with it.",
            ),
        ),
        migrations.AddField(
            model_name="event", name="visibility", field=models.CharField(**_VISIBILITY)
        ),
        migrations.AddField(
            model_name="series", name="visibility", field=models.CharField(**_VISIBILITY)
        ),
        BuildIndex(
            model_name="event",
            index=models.Index(
                condition=_IS_PUBLISHED,
                fields=["start_time", "id"],
                include=("visibility",),
                name="published_by_start",
            ),
        ),
        BuildIndex(
            model_name="event",
            index=models.Index(
                condition=_IS_PUBLISHED,
                fields=["category"],
                include=("visibility",),
                name="published_by_category",
            ),
        ),
        BuildIndex(
            model_name="event",
            index=models.Index(
                F("status"),
                F("category"),
                Halvings(),
                F("start_time"),
                condition=Q(IsSampled()),
                include=(
                    *("id", "end_time", "deleted_at", "is_available", "organizer", "series"),
                    *("latitude", "longitude", "location", "name", "visibility"),
                ),
                name="event_sample_columns",
            ),
        ),
        DropIndex(model_name="event", name="public_by_start"),
        DropIndex(model_name="event", name="public_by_category"),
        DropIndex(model_name="event", name="event_sample_facts"),
    ]

"""Indexes for what staff look at, which is not only public, and for the number of events."""

from django.contrib.postgres.indexes import GistIndex
from django.db import migrations, models

from config.api.sql.concurrent_indexes import BuildIndex, DropIndex
from events.models.expressions import Span


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0009_places")]

    operations = [
        BuildIndex(
            "event",
            GistIndex(
                Span("start_time", "end_time"),
                condition=models.Q(deleted_at=None),
                name="by_span",
            ),
        ),
        BuildIndex(
            "event",
            models.Index(
                fields=["start_time"], condition=models.Q(deleted_at=None), name="by_start"
            ),
        ),
        BuildIndex(
            "event",
            models.Index(
                fields=["category"],
                condition=models.Q(deleted_at=None, status="published"),
                name="public_by_category",
            ),
        ),
        DropIndex("event", "public_by_span"),
    ]

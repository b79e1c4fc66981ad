"""The filters of lists that no index answered: free seats, what is going on, drafts and cancelled."""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.indexes import GistIndex
from django.db import migrations, models
from django.db.models.functions import Lower

from events.models.expressions import Span

IS_PUBLIC = models.Q(deleted_at=None, status="published")


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0007_search_vocabulary"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "event",
            "is_available",
            models.GeneratedField(
                db_persist=True,
                expression=models.ExpressionWrapper(
                    models.Q(
                        ("waitlist_count", 0),
                        models.Q(
                            ("max_capacity", None),
                            ("registered_count__lt", models.F("max_capacity")),
                            _connector="OR",
                        ),
                    ),
                    output_field=models.BooleanField(),
                ),
                help_text="A column of its own for the index: one on the counters would make every "
                "registration write to it.",
                output_field=models.BooleanField(),
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                condition=IS_PUBLIC,
                fields=["is_available", "start_time", "id"],
                name="public_by_seats",
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                condition=models.Q(
                    ("deleted_at", None), models.Q(("status", "published"), _negated=True)
                ),
                fields=["status", "start_time", "id"],
                name="others_by_status",
            ),
        ),
        migrations.AddIndex(
            "event",
            GistIndex(Span("start_time", "end_time"), condition=IS_PUBLIC, name="public_by_span"),
        ),
        migrations.RemoveIndex("event", "public_by_creation"),
        migrations.RemoveIndex("event", "public_by_name"),
        migrations.AddIndex(
            "event",
            models.Index(
                condition=IS_PUBLIC,
                fields=["created_at", "id", "start_time"],
                name="public_by_creation",
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                Lower("name"), "id", "start_time", condition=IS_PUBLIC, name="public_by_name"
            ),
        ),
        migrations.AlterField(
            "event",
            "category",
            models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="events",
                to="events.category",
            ),
        ),
        migrations.AlterField(
            "event",
            "organizer",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="organized_events",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]

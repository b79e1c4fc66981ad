"""Two indexes that no query needs: other indexes begin with the series, and none is read by end."""

import django.db.models.deletion
from django.db import migrations, models

from config.api.sql.concurrent_indexes import DropIndex


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0025_words_that_correct")]

    operations = [
        DropIndex("event", "public_by_end"),
        migrations.AlterField(
            model_name="event",
            name="series",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="events",
                to="events.series",
            ),
        ),
    ]

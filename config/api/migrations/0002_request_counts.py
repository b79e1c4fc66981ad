"""Shared counts of rate limits. Unlogged: written with many requests, and lost without harm."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("api", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="RequestCount",
            fields=[
                (
                    "caller",
                    models.BinaryField(
                        help_text="Keyed digest of limit and caller.",
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("number", models.BigIntegerField(help_text="Of the window, counted from 1970.")),
                ("hits", models.BigIntegerField()),
                ("expires_at", models.DateTimeField(help_text="When the window is over.")),
            ],
        ),
        migrations.RunSQL("ALTER TABLE api_requestcount SET UNLOGGED", migrations.RunSQL.noop),
    ]

"""Answers kept for replay are found by their caller, and by the people whom they name."""

import django.contrib.postgres.fields
from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models

from config.api.http.mentions import mentions_in
from config.api.sql.concurrent_indexes import BuildIndex


def record_mentions(apps, schema_editor):
    """One at a time, since a body may have megabytes. Who called is in no answer of before."""
    answers = apps.get_model("api", "KeptAnswer").objects.filter(mentions=None)
    for answer in answers.iterator(chunk_size=10):
        body = bytes(answer.body)
        mentions = mentions_in(body, answer.headers.get("Content-Type", ""))
        answers.filter(pk=answer.pk).update(size=len(body), mentions=mentions)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("api", "0003_text_folding")]

    operations = [
        migrations.AddField(
            "keptanswer",
            "caller",
            models.BinaryField(
                db_default=b"", default=b"", help_text="Keyed digest of the caller.", max_length=32
            ),
        ),
        migrations.AddField(
            "keptanswer",
            "size",
            models.PositiveIntegerField(
                db_default=0, default=0, help_text="Of the body, in bytes."
            ),
        ),
        migrations.AddField(
            "keptanswer",
            "mentions",
            django.contrib.postgres.fields.ArrayField(
                models.BigIntegerField(),
                help_text="Numbers of addresses and user names in the body; see `mentions`.",
                null=True,
            ),
        ),
        BuildIndex(
            "keptanswer",
            models.Index(fields=["caller", "created_at"], include=["size"], name="kept_by_caller"),
        ),
        BuildIndex(
            "keptanswer",
            GinIndex(fields=["mentions"], gin_pending_list_limit=256, name="kept_by_mention"),
        ),
        migrations.RunPython(record_mentions, migrations.RunPython.noop, elidable=True),
    ]

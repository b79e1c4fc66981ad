"""Stored responses of idempotent requests, and counts of rate limits."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('api', '0001_text_folding'),
    ]

    operations = [
        migrations.CreateModel(
            name='RequestCount',
            fields=[
                ('caller', models.BinaryField(help_text='Keyed digest of limit and caller.', max_length=32, primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(help_text='Of the window, counted from 1970.')),
                ('hits', models.BigIntegerField()),
                ('expires_at', models.DateTimeField(help_text='When the window is over.')),
            ],
        ),
        migrations.CreateModel(
            name='StoredResponse',
            fields=[
                ('fingerprint', models.BinaryField(help_text='SHA-256 of caller, route and key.', max_length=32, primary_key=True, serialize=False)),
                ('body_digest', models.BinaryField(help_text="HMAC of the request's body.", max_length=32)),
                ('caller', models.BinaryField(db_default=b'', default=b'', help_text='Keyed digest of the caller.', max_length=32)),
                ('status', models.PositiveSmallIntegerField()),
                ('headers', models.JSONField(default=dict)),
                ('body', models.BinaryField()),
                ('size', models.PositiveIntegerField(db_default=0, default=0, help_text='Of the body, in bytes.')),
                ('mentions', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), help_text='Numbers of addresses and user names in the body; see `mentions`.', null=True, size=None)),
                ('created_at', models.DateTimeField(db_index=True)),
            ],
            options={
                'verbose_name': 'stored response',
                'indexes': [models.Index(fields=['caller', 'created_at'], include=('size',), name='stored_by_caller'), django.contrib.postgres.indexes.GinIndex(fields=['mentions'], gin_pending_list_limit=256, name='stored_by_mention')],
            },
        ),
        # Counts are written with many requests, and a crash may lose them.
        migrations.RunSQL('ALTER TABLE api_requestcount SET UNLOGGED', migrations.RunSQL.noop),
    ]

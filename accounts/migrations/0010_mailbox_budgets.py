"""Mails to unconfirmed mailboxes. Unlogged: a crash loses counts of an hour, and nothing else."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_one_spelling")]

    operations = [
        migrations.CreateModel(
            name="MailboxBudget",
            fields=[
                (
                    "mailbox",
                    models.CharField(
                        help_text="SHA-256 of the address, in hexadecimal digits.",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "sent_at",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateTimeField(), help_text="The newest last.", size=None
                    ),
                ),
                (
                    "shares",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        db_default=[],
                        default=list,
                        help_text="The share that each mail was taken from, in the order of `sent_at`.",
                        size=None,
                    ),
                ),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE accounts_mailboxbudget SET UNLOGGED", migrations.RunSQL.noop
        ),
    ]

"""Rewrites help texts. The tables do not change."""

import uuid

import django.db.models.functions.datetime
from django.db import migrations, models

import config.api.text.mailbox_field


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0012_erased_names"),
    ]

    operations = [
        migrations.AlterField(
            model_name="formeraddress",
            name="address_version",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="That of the account until the change. It signs the recovery link.",
            ),
        ),
        migrations.AlterField(
            model_name="notification",
            name="attempt_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                help_text="The next attempt, or the end of the lease.",
            ),
        ),
        migrations.AlterField(
            model_name="notification",
            name="claimed_by",
            field=models.IntegerField(blank=True, help_text="The number of the mailer.", null=True),
        ),
        migrations.AlterField(
            model_name="notification",
            name="due_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                help_text="It is not delivered before.",
            ),
        ),
        migrations.AlterField(
            model_name="notification",
            name="key",
            field=models.CharField(
                help_text="Unique, so that a notification exists once.", max_length=120
            ),
        ),
        migrations.AlterField(
            model_name="session",
            name="current_token",
            field=models.UUIDField(default=uuid.uuid4, help_text="The valid refresh token."),
        ),
        migrations.AlterField(
            model_name="session",
            name="token_generation",
            field=models.PositiveIntegerField(
                help_text="That of the user at the start. The session ends when the user's is higher."
            ),
        ),
        migrations.AlterField(
            model_name="signinfailures",
            name="account",
            field=models.BinaryField(help_text="Keyed digest. Empty for all.", max_length=32),
        ),
        migrations.AlterField(
            model_name="signinfailures",
            name="address",
            field=models.BinaryField(help_text="Keyed digest. Empty for all.", max_length=32),
        ),
        migrations.AlterField(
            model_name="signinfailures",
            name="at",
            field=models.DateTimeField(db_index=True, help_text="The time of the latest failure."),
        ),
        migrations.AlterField(
            model_name="signinfailures",
            name="level",
            field=models.FloatField(help_text="The number of failures that have not expired."),
        ),
        migrations.AlterField(
            model_name="user",
            name="address_version",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="Incremented when a change of the address is over, which ends its links.",
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="calendar_generation",
            field=models.PositiveIntegerField(
                default=1,
                editable=False,
                help_text="Incremented to end the secret link to the calendar.",
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="pending_email",
            field=config.api.text.mailbox_field.MailboxField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Becomes the address once its owner confirms it. It cannot be used to sign in.",
                max_length=254,
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="token_generation",
            field=models.PositiveIntegerField(
                default=1, editable=False, help_text="Incremented to end every token issued so far."
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="withdrawn_email",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="The former address of an account whose mailbox is another's, or invalid. Until the account has another address, `email` is a placeholder.",
                max_length=254,
            ),
        ),
    ]

"""Columns for one spelling of each mailbox; opt-outs leave the accounts."""

import django.db.models.functions.comparison
import django.db.models.functions.text
from django.db import migrations, models

import config.api.text.mailbox_field


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_unsubscription_digest")]

    operations = [
        migrations.RemoveConstraint("user", "email_lower_case"),
        migrations.AddField(
            "user",
            "withdrawn_email",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="The address that the account had when its mailbox turned out to be another account's, or nobody's. Until the account has another address, `email` is a placeholder.",
                max_length=254,
            ),
        ),
        migrations.AlterField(
            "formeraddress",
            "email",
            config.api.text.mailbox_field.MailboxField(db_index=True, max_length=254),
        ),
        migrations.AlterField(
            "notification", "email", config.api.text.mailbox_field.MailboxField(max_length=254)
        ),
        migrations.AlterField(
            "user",
            "email",
            config.api.text.mailbox_field.MailboxField(
                help_text="One spelling for each mailbox.", max_length=254, unique=True
            ),
        ),
        migrations.AlterField(
            "user",
            "pending_email",
            config.api.text.mailbox_field.MailboxField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Becomes the address once its owner confirms it. Of no meaning to sign-in.",
                max_length=254,
            ),
        ),
        migrations.AddIndex(
            "user",
            models.Index(
                condition=models.Q(("withdrawn_email", ""), _negated=True),
                fields=["withdrawn_email"],
                name="withdrawn_addresses",
            ),
        ),
        migrations.AddConstraint(
            "user",
            models.CheckConstraint(
                condition=models.Q(
                    (
                        "email",
                        django.db.models.functions.text.Lower(
                            django.db.models.functions.comparison.Collate("email", "C")
                        ),
                    )
                ),
                name="email_lower_case",
            ),
        ),
    ]

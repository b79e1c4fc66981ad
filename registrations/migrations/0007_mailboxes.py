"""Lower case is that of ASCII; the rows are checked by the next migration, beside writers."""

import django.db.models.functions.comparison
import django.db.models.functions.text
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

import config.api.text.mailbox_field


class Migration(migrations.Migration):
    dependencies = [("registrations", "0006_messages")]

    operations = [
        migrations.RemoveConstraint("registration", "registration_email_lower_case"),
        migrations.AlterField(
            "registration",
            "email",
            config.api.text.mailbox_field.MailboxField(
                help_text="One spelling for each mailbox.", max_length=254
            ),
        ),
        AddConstraintNotValid(
            "registration",
            models.CheckConstraint(
                condition=models.Q(
                    (
                        "email",
                        django.db.models.functions.text.Lower(
                            django.db.models.functions.comparison.Collate("email", "C")
                        ),
                    )
                ),
                name="registration_email_lower_case",
            ),
        ),
    ]

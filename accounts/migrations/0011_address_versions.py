"""Links of mails about an address end with the change that they were mailed for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_mailbox_budgets")]

    operations = [
        migrations.AddField(
            "user",
            "address_version",
            models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="Raised when a change of the address is over, which ends its links.",
            ),
        ),
        migrations.AddField(
            "formeraddress",
            "address_version",
            models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="The account's until it left, by which the link back is signed.",
            ),
        ),
    ]

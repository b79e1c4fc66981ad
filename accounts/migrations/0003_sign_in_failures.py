"""Wrong passwords. Unlogged: lost without harm in a crash, and a write waits for no disk."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_notifications")]

    operations = [
        migrations.CreateModel(
            name="SignInFailures",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.BinaryField(
                        help_text="Keyed digest; empty: all of them.", max_length=32
                    ),
                ),
                (
                    "address",
                    models.BinaryField(
                        help_text="Keyed digest; empty: all of them.", max_length=32
                    ),
                ),
                (
                    "level",
                    models.FloatField(help_text="How many, less those that time has forgiven."),
                ),
                ("at", models.DateTimeField(db_index=True, help_text="Of the latest.")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("account", "address"), name="counted_once")
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE accounts_signinfailures SET UNLOGGED", migrations.RunSQL.noop
        ),
    ]

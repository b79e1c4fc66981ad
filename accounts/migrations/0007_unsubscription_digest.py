from django.db import migrations, models


class Migration(migrations.Migration):
    """The list of who wants no mails holds no addresses. It was empty: nothing wrote to it."""

    dependencies = [("accounts", "0006_audit")]

    operations = [
        migrations.RemoveConstraint("unsubscription", "one_unsubscription_per_kind"),
        migrations.RemoveField("unsubscription", "email"),
        migrations.AddField(
            "unsubscription",
            "address_digest",
            models.CharField(
                default="", help_text="SHA-256, in hexadecimal digits.", max_length=64
            ),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            "unsubscription",
            models.UniqueConstraint(
                fields=["address_digest", "kind"], name="one_unsubscription_per_kind"
            ),
        ),
    ]

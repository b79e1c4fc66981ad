"""Messages to everybody with a seat or on the waitlist."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registrations", "0018_public_names"),
    ]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="status",
            field=models.CharField(
                choices=[("confirmed", "Confirmed"), ("waitlisted", "Waitlisted"), ("all", "All")],
                default="confirmed",
                max_length=16,
            ),
        ),
    ]

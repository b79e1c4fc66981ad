"""Builds the index on pending and rejected registrations, which does not block writers."""

from django.db import migrations, models

from config.api.sql.concurrent_indexes import BuildIndex


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("registrations", "0014_admission")]

    operations = [
        BuildIndex(
            model_name="registration",
            index=models.Index(
                condition=models.Q(status__in=["pending", "rejected"]),
                fields=["event", "status", "registered_at"],
                name="pending_and_rejected",
            ),
        ),
    ]

from django.db import migrations, models
from django.db.models import Q

from config.api.sql.concurrent_indexes import BuildIndex


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("registrations", "0006_registration_source")]

    operations = [
        BuildIndex(
            model_name="registration",
            index=models.Index(
                condition=~Q(source=""), fields=["event", "source"], name="by_event_and_source"
            ),
        ),
        BuildIndex(
            model_name="ledgerentry",
            index=models.Index(
                condition=~Q(kind="registered"),
                fields=["event", "kind", "at"],
                name="ledger_changes",
            ),
        ),
    ]

from django.db import migrations, models
from django.db.models import Q

from config.api.sql.concurrent_indexes import BuildIndex
from config.api.text.folding import alphabetical


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("registrations", "0017_show_name")]

    operations = [
        BuildIndex(
            model_name="registration",
            index=models.Index(
                "event",
                alphabetical("name"),
                "id",
                condition=Q(status="confirmed", show_name=True),
                name="public_names",
            ),
        ),
    ]

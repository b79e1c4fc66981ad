"""Attendees in alphabetical order."""

from django.db import migrations, models

from config.api.sql.concurrent_indexes import BuildIndex, DropIndex
from config.api.text.folding import alphabetical


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("registrations", "0009_handed_on"), ("api", "0003_text_folding")]

    operations = [
        BuildIndex(
            "registration",
            models.Index("event", alphabetical("name"), "id", name="by_event_and_alphabet"),
        ),
        DropIndex("registration", "by_event_and_name"),
    ]

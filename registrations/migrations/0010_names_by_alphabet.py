"""Attendees in alphabetical order."""

from django.db import migrations, models

from config.api.folding import alphabetical
from config.api.indexes import BuildIndex, DropIndex


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

"""The categories that a new installation begins with; staff may change them."""

from typing import Any

from django.db import migrations

CATEGORIES = {
    "community": "Community",
    "concert": "Concert",
    "conference": "Conference",
    "exhibition": "Exhibition",
    "festival": "Festival",
    "meetup": "Meetup",
    "networking": "Networking",
    "sports": "Sports",
    "training": "Training",
    "webinar": "Webinar",
    "workshop": "Workshop",
}


def create(apps: Any, schema_editor: Any) -> None:
    category = apps.get_model("events", "Category")
    category.objects.bulk_create(
        [category(slug=slug, name=name) for slug, name in CATEGORIES.items()],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("events", "0003_triggers")]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]

from django.db import migrations, models

_ATTENDEE_LIST = {
    "choices": [("hidden", "Hidden"), ("names", "Names")],
    "db_default": "hidden",
    "default": "hidden",
    "help_text": "Names: everybody sees the names of attendees who agreed to it.",
    "max_length": 16,
}


class Migration(migrations.Migration):
    dependencies = [("events", "0013_image")]

    operations = [
        migrations.AddField(
            model_name=model, name="attendee_list", field=models.CharField(**_ATTENDEE_LIST)
        )
        for model in ("event", "series")
    ]

"""Parties: the largest one of an event, and the guests on its waitlist."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0007_recorded_changes"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="max_party_size",
            field=models.PositiveSmallIntegerField(
                db_default=1,
                default=1,
                help_text="How many people one registration may bring, the registrant included.",
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="waitlist_guest_count",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="How many of the people on the waitlist are guests of a registrant.",
            ),
        ),
        migrations.AddField(
            model_name="series",
            name="max_party_size",
            field=models.PositiveSmallIntegerField(
                db_default=1,
                default=1,
                help_text="How many people one registration may bring, the registrant included.",
            ),
        ),
    ]

"""Whoever registered somebody's address has no part in the registration once an account has it.

Registrations that an account has by now, and that somebody else may have made, get new links.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_END_LINKS = """
    UPDATE registrations_registration AS registration
    SET link_version = link_version + 1, registered_by_id = NULL
    FROM events_event AS event
    WHERE event.id = registration.event_id
        AND event.end_time > now()
        AND registration.status <> 'cancelled'
        AND registration.user_id IS NOT NULL
        AND registration.registered_by_id IS DISTINCT FROM registration.user_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("registrations", "0011_search_of_attendees"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            "registration",
            "link_version",
            models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="Grows when the place is handed on or joins an account: earlier links end.",
            ),
        ),
        migrations.AlterField(
            "registration",
            "registered_by",
            models.ForeignKey(
                settings.AUTH_USER_MODEL,
                django.db.models.deletion.SET_NULL,
                blank=True,
                db_index=False,
                help_text="The account that made it, for itself or for a guest without an account.",
                null=True,
                related_name="+",
            ),
        ),
        migrations.RunSQL(_END_LINKS, migrations.RunSQL.noop),
    ]

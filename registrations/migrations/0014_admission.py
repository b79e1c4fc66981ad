"""Modes of registration: codes, requests that wait for an address, and decisions."""

import uuid
from importlib import import_module

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import config.api.text.mailbox_field
import registrations.models.code

# The type of a change by the kind of its entry in the ledger.
_KINDS = "                WHEN kind = 'queued' THEN 'waitlisted'\n"
_MORE_KINDS = """                WHEN kind IN ('queued', 'approved_queued') THEN 'waitlisted'
                WHEN kind = 'approved' THEN 'confirmed'
                WHEN kind = 'reopened' THEN 'pending'
"""


def _function(kinds: str) -> str:
    """The statement that makes `sequence_changes`, with other lines for the kinds."""
    made = import_module("registrations.migrations.0008_changes").SEQUENCE
    body = made[made.index("CREATE FUNCTION") :]
    return body.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(_KINDS, kinds)


# In the order of the statement that registers, so that neither waits for the other.
KEEP_WRITERS_OUT = """
LOCK TABLE events_event IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE registrations_registration IN ACCESS EXCLUSIVE MODE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0012_admission"),
        ("registrations", "0013_forms"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(KEEP_WRITERS_OUT, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="ledgerentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("registered", "Registered"),
                    ("queued", "Queued"),
                    ("promoted", "Promoted"),
                    ("cancelled", "Cancelled"),
                    ("handed_on", "Handed On"),
                    ("checked_in", "Checked In"),
                    ("check_in_undone", "Check In Undone"),
                    ("pending", "Pending"),
                    ("approved", "Approved"),
                    ("approved_queued", "Approved To Queue"),
                    ("rejected", "Rejected"),
                    ("reopened", "Reopened"),
                    ("party_grown", "Party Grown"),
                    ("party_shrunk", "Party Shrunk"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="registration",
            name="status",
            field=models.CharField(
                choices=[
                    ("confirmed", "Confirmed"),
                    ("waitlisted", "Waitlisted"),
                    ("pending", "Pending"),
                    ("rejected", "Rejected"),
                    ("cancelled", "Cancelled"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="AddressConfirmation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("email", config.api.text.mailbox_field.MailboxField(max_length=254)),
                ("version", models.PositiveIntegerField(default=0)),
                (
                    "details",
                    models.JSONField(
                        default=dict,
                        help_text="The arguments of the registration, without the address.",
                    ),
                ),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "event",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="events.event",
                    ),
                ),
                (
                    "registration",
                    models.ForeignKey(
                        help_text="Once confirmed.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="registrations.registration",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RegistrationCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    models.CharField(default=registrations.models.code.new_code, max_length=64),
                ),
                (
                    "max_uses",
                    models.PositiveIntegerField(
                        blank=True, help_text="Empty: no limit.", null=True
                    ),
                ),
                (
                    "uses",
                    models.PositiveIntegerField(
                        default=0,
                        editable=False,
                        help_text="Registrations that have used it and are live.",
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "email",
                    config.api.text.mailbox_field.MailboxField(
                        blank=True,
                        default="",
                        help_text="Empty: for everybody who has it.",
                        max_length=254,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="codes",
                        to="events.event",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="registration",
            name="code",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                help_text="The code that it has used. Its use is given back by a cancellation.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="registrations.registrationcode",
            ),
        ),
        migrations.AddIndex(
            model_name="addressconfirmation",
            index=models.Index(fields=["email"], name="requests_of_address"),
        ),
        migrations.AddConstraint(
            model_name="addressconfirmation",
            constraint=models.UniqueConstraint(
                fields=("event", "email"), name="one_request_per_address"
            ),
        ),
        migrations.AddConstraint(
            model_name="registrationcode",
            constraint=models.UniqueConstraint(fields=("event", "code"), name="one_code_per_event"),
        ),
        migrations.AddConstraint(
            model_name="registrationcode",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("max_uses", None), ("uses__lte", models.F("max_uses")), _connector="OR"
                ),
                name="code_not_overused",
            ),
        ),
        migrations.RunSQL(_function(_MORE_KINDS), _function(_KINDS)),
    ]

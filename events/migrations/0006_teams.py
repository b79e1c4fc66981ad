import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import config.api.text.mailbox_field


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0005_search_near_parameter"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TeamMember",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("manager", "Manager"),
                            ("editor", "Editor"),
                            ("registrar", "Registrar"),
                            ("door", "Door"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("invited", "Invited"),
                            ("active", "Active"),
                            ("declined", "Declined"),
                        ],
                        default="invited",
                        max_length=16,
                    ),
                ),
                (
                    "email",
                    config.api.text.mailbox_field.MailboxField(
                        help_text="The address that was invited.", max_length=254
                    ),
                ),
                ("invited_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, help_text="Of the invitation.", null=True),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "event",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="team",
                        to="events.event",
                    ),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "series",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="team",
                        to="events.series",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="Empty until the invitation is accepted.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "invited")),
                        fields=["email"],
                        name="invitations_by_address",
                    ),
                    models.Index(fields=["invited_by"], name="members_by_inviter"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("event__isnull", False), ("series", None)),
                            models.Q(("event", None), ("series__isnull", False)),
                            _connector="OR",
                        ),
                        name="member_of_event_or_series",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("expires_at", None),
                                ("state", "active"),
                                ("user__isnull", False),
                                models.Q(("role", "owner"), _negated=True),
                            ),
                            models.Q(
                                models.Q(("state", "active"), _negated=True),
                                ("expires_at__isnull", False),
                                ("user", None),
                            ),
                            _connector="OR",
                        ),
                        name="active_member_has_an_account",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("event__isnull", False), models.Q(("role", "owner"), _negated=True)
                        ),
                        fields=("event", "email"),
                        name="one_member_of_event_per_address",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("series__isnull", False), models.Q(("role", "owner"), _negated=True)
                        ),
                        fields=("series", "email"),
                        name="one_member_of_series_per_address",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("event__isnull", False), ("role", "owner")),
                        fields=("event",),
                        name="one_transfer_of_event",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("role", "owner"), ("series__isnull", False)),
                        fields=("series",),
                        name="one_transfer_of_series",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("event__isnull", False), ("user__isnull", False)),
                        fields=("user", "event"),
                        name="one_role_on_event",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("series__isnull", False), ("user__isnull", False)),
                        fields=("user", "series"),
                        name="one_role_on_series",
                    ),
                ],
            },
        ),
    ]

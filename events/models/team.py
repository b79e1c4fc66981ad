"""Roles of accounts on events and series."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from config.api.text.mailbox_field import MailboxField


class Role(models.TextChoices):
    """What an account is to an event or a series, the strongest first."""

    OWNER = "owner"
    MANAGER = "manager"
    EDITOR = "editor"
    REGISTRAR = "registrar"
    DOOR = "door"


class TeamMemberQuerySet(models.QuerySet["TeamMember"]):
    def active_of(self, user: Any) -> "TeamMemberQuerySet":
        return self.filter(user=user.pk, state=TeamMember.State.ACTIVE)

    def members(self) -> "TeamMemberQuerySet":
        """Without transfers."""
        return self.exclude(role=Role.OWNER)

    def open_for(self, user: Any) -> "TeamMemberQuerySet":
        """Invitations that the account has to answer: those to its confirmed address."""
        if not user.email_verified:
            return self.none()
        return self.filter(
            Q(event=None) | Q(event__deleted_at=None),
            Q(series=None) | Q(series__deleted_at=None),
            email=user.email,
            state=TeamMember.State.INVITED,
        )


class TeamMember(models.Model):
    """A role of an account on an event, or on a series and its events; before that an invitation.

    The owner is the organizer of the event or series and has no row. A row with the role `owner` is
    a transfer that is not accepted yet.
    """

    class State(models.TextChoices):
        INVITED = "invited"
        ACTIVE = "active"
        DECLINED = "declined"

    event = models.ForeignKey(
        "events.Event", models.CASCADE, null=True, blank=True, related_name="team", db_index=False
    )
    series = models.ForeignKey(
        "events.Series", models.CASCADE, null=True, blank=True, related_name="team", db_index=False
    )
    role = models.CharField(max_length=16, choices=Role)
    state = models.CharField(max_length=16, choices=State, default=State.INVITED)
    email = MailboxField(help_text="The address that was invited.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="memberships",
        db_index=False,
        help_text="Empty until the invitation is accepted.",
    )
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    invited_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Of the invitation.")
    created_at = models.DateTimeField(default=now)

    objects = TeamMemberQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(event__isnull=False, series=None) | Q(event=None, series__isnull=False),
                name="member_of_event_or_series",
            ),
            models.CheckConstraint(
                condition=(
                    Q(state="active", user__isnull=False, expires_at=None) & ~Q(role="owner")
                )
                | (~Q(state="active") & Q(user=None, expires_at__isnull=False)),
                name="active_member_has_an_account",
            ),
            models.UniqueConstraint(
                fields=["event", "email"],
                condition=Q(event__isnull=False) & ~Q(role="owner"),
                name="one_member_of_event_per_address",
            ),
            models.UniqueConstraint(
                fields=["series", "email"],
                condition=Q(series__isnull=False) & ~Q(role="owner"),
                name="one_member_of_series_per_address",
            ),
            models.UniqueConstraint(
                fields=["event"],
                condition=Q(event__isnull=False, role="owner"),
                name="one_transfer_of_event",
            ),
            models.UniqueConstraint(
                fields=["series"],
                condition=Q(series__isnull=False, role="owner"),
                name="one_transfer_of_series",
            ),
            # Rights are read by these, for each request of somebody with a role.
            models.UniqueConstraint(
                fields=["user", "event"],
                condition=Q(user__isnull=False, event__isnull=False),
                name="one_role_on_event",
            ),
            models.UniqueConstraint(
                fields=["user", "series"],
                condition=Q(user__isnull=False, series__isnull=False),
                name="one_role_on_series",
            ),
        ]
        indexes = [
            models.Index(
                fields=["email"], condition=Q(state="invited"), name="invitations_by_address"
            ),
            models.Index(fields=["invited_by"], name="members_by_inviter"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.email}"

    @property
    def row(self) -> Any:
        """The event or series."""
        return self.series if self.event_id is None else self.event

    def has_expired(self, at: datetime | None = None) -> bool:
        return self.expires_at is not None and self.expires_at <= (at or now())

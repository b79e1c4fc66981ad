"""Links to the check-in page of an event."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from events.models import Event

LIFETIME_AFTER_END = timedelta(days=1)


class DoorLinkQuerySet(models.QuerySet["DoorLink"]):
    def existing(self) -> "DoorLinkQuerySet":
        """Not withdrawn. An expired link exists until it is withdrawn."""
        return self.filter(withdrawn_at=None)


class DoorLink(models.Model):
    """A link with which a volunteer checks people in at an event, without an account.

    It acts for the account that made it, and needs the rights of that account. Its token is not
    stored, only the SHA-256. A token has so many random bits that a slower hash would add nothing.
    The row of a withdrawn link stays, since scans name it.
    """

    event = models.ForeignKey(Event, models.CASCADE, related_name="door_links", db_index=False)
    name = models.CharField(max_length=100, blank=True, help_text="Who has the link, or where.")
    digest = models.BinaryField(max_length=32, unique=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(default=now)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = DoorLinkQuerySet.as_manager()

    audited_fields = ("name", "withdrawn_at")

    class Meta:
        indexes = [
            models.Index(
                fields=["event", "created_at", "id"],
                condition=models.Q(withdrawn_at=None),
                name="door_links_of_event",
            ),
            models.Index(fields=["created_by"], name="door_links_by_user"),
        ]

    def __str__(self) -> str:
        return self.name or f"Link {self.pk}"

    @property
    def expires_at(self) -> datetime:
        """A day after the end of the event, wherever that is moved to."""
        return self.event.end_time + LIFETIME_AFTER_END

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.utils import timezone

from accounts.models import User
from config.api.staff_rights import has_staff_right
from events.models import Event, Right, own_events


class MessageQuerySet(models.QuerySet["Message"]):
    def visible_to(self, user: "User | AnonymousUser") -> "MessageQuerySet":
        """To the organizer and to staff who may view messages. Recipients have only the mail."""
        rows = self.filter(event__deleted_at=None)
        if has_staff_right(user, "registrations.view_message"):
            return rows
        own = own_events(user, Right.PEOPLE, path="event__")
        return rows.none() if own is None else rows.filter(own)

    def for_display(self) -> "MessageQuerySet":
        """With the related rows that `MessageOut` renders, in one query."""
        return self.select_related("author")


class Message(models.Model):
    """A message of an organizer to the attendees of an event. Sent once, never edited."""

    class Status(models.TextChoices):
        """The status of the registrations that received it: one, or each of them."""

        CONFIRMED = "confirmed"
        WAITLISTED = "waitlisted"
        ALL = "all"

    event = models.ForeignKey(Event, models.PROTECT, related_name="messages", db_index=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    subject = models.CharField(max_length=200)
    body = models.TextField()
    status = models.CharField(max_length=16, choices=Status, default=Status.CONFIRMED)
    recipient_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MessageQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["event", "created_at", "id"], name="messages_of_event"),
        ]

    def __str__(self) -> str:
        return self.subject

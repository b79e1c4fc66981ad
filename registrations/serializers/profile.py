from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts.calendars import calendar_url
from accounts.models import User
from accounts.notifications.preferences import preferences_of
from accounts.serializers import USER_EXAMPLE, UserOut
from events.models import remember_roles
from events.serializers.events import EVENT_EXAMPLE, EventOut


class OwnEventsOut(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    upcoming = EventOut(many=True, help_text="The next five.")
    url = serializers.URLField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Asha",
            {
                **USER_EXAMPLE,
                "notification_preferences": {},
                "unread_notifications": 2,
                "calendar_url": "http://localhost:8000/api/me/calendar.ics?token=7.1.0kD3lqVb",
                "pending_email": None,
                "events_created": {
                    "count": 1,
                    "upcoming": [EVENT_EXAMPLE],
                    "url": "http://localhost:8000/api/me/events/",
                },
                "events_registered": {
                    "count": 0,
                    "upcoming": [],
                    "url": "http://localhost:8000/api/me/registrations/",
                },
            },
        )
    ]
)
class ProfileOut(UserOut):
    notification_preferences = serializers.SerializerMethodField(
        help_text="Whether e-mails of each kind are sent."
    )
    unread_notifications = serializers.IntegerField(read_only=True, min_value=0)
    calendar_url = serializers.SerializerMethodField(
        help_text="The secret link to my calendar; null in the profiles of others."
    )
    pending_email = serializers.SerializerMethodField(
        help_text="The new address, until it is confirmed."
    )
    events_created = OwnEventsOut(read_only=True)
    events_registered = OwnEventsOut(read_only=True)

    class Meta(UserOut.Meta):
        model = User
        fields = (
            *UserOut.Meta.fields,
            "pending_email",
            "notification_preferences",
            "unread_notifications",
            "calendar_url",
            "events_created",
            "events_registered",
        )

    def to_representation(self, user: Any) -> dict[str, Any]:
        """`user` has `unread_notifications`, `events_created` and `events_registered`."""
        return {
            **super().to_representation(user),
            "pending_email": self.get_pending_email(user),
            "notification_preferences": self.get_notification_preferences(user),
            "unread_notifications": user.unread_notifications,
            "calendar_url": self.get_calendar_url(user),
            "events_created": self._own_events(user.events_created),
            "events_registered": self._own_events(user.events_registered),
        }

    def _own_events(self, own: dict[str, Any]) -> dict[str, Any]:
        remember_roles(self.context["request"].user, own["upcoming"])
        events = map(EventOut(context=self.context).to_representation, own["upcoming"])
        return {**own, "upcoming": list(events)}

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "boolean"}})
    def get_notification_preferences(self, user: User) -> dict[str, bool]:
        return preferences_of(user)

    @extend_schema_field({"type": ["string", "null"], "format": "uri"})
    def get_calendar_url(self, user: User) -> str | None:
        is_own = user.pk == self.context["request"].user.pk
        return calendar_url(user) if is_own else None

    @extend_schema_field({"type": ["string", "null"], "format": "email"})
    def get_pending_email(self, user: User) -> str | None:
        return user.pending_email or None

from django.contrib.auth.models import AnonymousUser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User
from config.api.permissions import has_right_for
from config.api.staff_rights import has_staff_right
from events.models import Event

from .models import Feedback, Registration


def sees_meeting(viewer: User | AnonymousUser, event: Event) -> bool:
    """Whether a viewer without a registration for the event sees its `meeting_url`."""
    return event.organizer_id == viewer.pk or has_staff_right(viewer, "events.view_event")


class ReadsOrIsAuthor(BasePermission):
    """Reading is allowed; writing is for the author."""

    def has_object_permission(self, request: Request, view: APIView, row: Feedback) -> bool:
        return request.method in SAFE_METHODS or row.author_id == request.user.pk


class ManagesRegistration(BasePermission):
    """Allows the holder, the account that made it, the organizer, and permitted staff."""

    def has_object_permission(self, request: Request, view: APIView, row: Registration) -> bool:
        people = {row.user_id, row.registered_by_id, row.event.organizer_id} - {None}
        return request.user.pk in people or has_right_for(request, view)

"""Who sees attendees, and permission classes of DRF for registrations."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User
from config.api.key_scopes import Scope, has_scope, key_of
from config.api.permissions import has_right_for
from config.api.staff_rights import has_staff_right
from events.models import AttendeeList, Event, Right, has_right, sees_details
from events.permissions import IsOrganizerOrStaff

from .models import Feedback, Registration


def sees_meeting(viewer: User | AnonymousUser, event: Event) -> bool:
    """Whether a viewer without a registration for the event sees its `meeting_url`."""
    return sees_details(viewer, event) or has_staff_right(viewer, "events.view_event")


def reads_registrations(request: Request) -> bool:
    """Whether the key of the request, if there is one, may read registrations."""
    key = key_of(request.user)
    return key is None or has_scope(key, (Scope.REGISTRATIONS_READ,))


def sees_people(request: Request, view: Any, event: Event) -> bool:
    """Whether the caller sees addresses of attendees; at the door a caller sees names alone."""
    if not reads_registrations(request):
        return False
    return has_right(request.user, Right.PEOPLE, event) or has_right_for(request, view)


def checks_in(request: Request, view: Any, event: Event) -> bool:
    """Whether the caller sees the attendees of an event, at least as at its door."""
    return has_right(request.user, Right.CHECKIN, event) or has_right_for(request, view)


class SeesAttendees(IsOrganizerOrStaff):
    """As `IsOrganizerOrStaff`; and everybody for a list of names, without filters on people.

    A key without the scope has a `refusal` of the view, which applies unless the list is public.
    """

    def has_object_permission(self, request: Request, view: Any, row: Event) -> bool:
        is_public = row.attendee_list == AttendeeList.NAMES and not view.is_filtered
        if is_public:
            return True
        if view.refusal is not None:
            raise view.refusal
        return super().has_object_permission(request, view, row)


class ReadsOrIsAuthor(BasePermission):
    """Reading is allowed; writing is for the author."""

    def has_object_permission(self, request: Request, view: APIView, row: Feedback) -> bool:
        return request.method in SAFE_METHODS or row.author_id == request.user.pk


class DecidesOnRegistration(IsOrganizerOrStaff):
    """The permission on the event of a registration."""

    def has_object_permission(self, request: Request, view: Any, row: Registration) -> bool:
        return super().has_object_permission(request, view, row.event)


class ManagesRegistration(BasePermission):
    """Allows the holder, the account that made it, roles with people, and permitted staff."""

    def has_object_permission(self, request: Request, view: APIView, row: Registration) -> bool:
        people = {row.user_id, row.registered_by_id} - {None}
        return (
            request.user.pk in people
            or has_right(request.user, Right.PEOPLE, row.event)
            or has_right_for(request, view)
        )

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from config.api.permissions import has_right_for

from .errors import OrganizerRoleRequired
from .models import Event


class MayOrganize(BasePermission):
    """Users with the organizer role, which creating events requires."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user.is_authenticated and not request.user.may_organize:
            raise OrganizerRoleRequired
        return bool(request.user.is_authenticated)


class IsOrganizerOrStaff(BasePermission):
    """The organizer, and staff with the permission that the view requires for the method."""

    def has_object_permission(self, request: Request, view: APIView, event: Any) -> bool:
        return event.organizer_id == request.user.pk or has_right_for(request, view)


class ReadsOrManagesEvent(IsOrganizerOrStaff):
    """Everybody may read. The organizer and staff may write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or bool(request.user.is_authenticated)

    def has_object_permission(self, request: Request, view: APIView, event: Event) -> bool:
        return request.method in SAFE_METHODS or super().has_object_permission(request, view, event)

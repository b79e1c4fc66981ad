from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from .errors import OrganizerRoleRequired
from .models import Event


class MayOrganize(BasePermission):
    """The organizer role, for creating events."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user.is_authenticated and not request.user.may_organize:
            raise OrganizerRoleRequired
        return bool(request.user.is_authenticated)


class IsOrganizerOrStaff(BasePermission):
    def has_object_permission(self, request: Request, view: APIView, event: Any) -> bool:
        return request.user.is_staff or event.organizer_id == request.user.pk


class ReadsOrManagesEvent(IsOrganizerOrStaff):
    """Anyone reads; its organizer and staff write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or bool(request.user.is_authenticated)

    def has_object_permission(self, request: Request, view: APIView, event: Event) -> bool:
        return request.method in SAFE_METHODS or super().has_object_permission(request, view, event)


class ReadsOrIsStaff(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or bool(request.user.is_staff)

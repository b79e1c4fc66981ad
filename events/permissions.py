"""Permission classes of DRF for events and series."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from config.api.key_scopes import require_every_event
from config.api.permissions import has_right_for

from .errors import OrganizerRoleRequired, RoleTooLow
from .models import Event, Right, has_right, role_on, roles_with


class MayOrganize(BasePermission):
    """Users with the organizer role, which creating events requires."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user.is_authenticated and not request.user.may_organize:
            raise OrganizerRoleRequired
        require_every_event(request.user)
        return bool(request.user.is_authenticated)


class IsOrganizerOrStaff(BasePermission):
    """Accounts whose role has the right that the view needs, and staff with its permission.

    A view names the rights of its methods in `needed_rights`. A method without an entry is for the
    owner alone.
    """

    def has_object_permission(self, request: Request, view: Any, row: Any) -> bool:
        right = view.needed_rights.get(view.method, Right.DELETE)
        if has_right(request.user, right, row) or has_right_for(request, view):
            return True
        if role_on(request.user, row) is not None:
            raise RoleTooLow(required=roles_with(right))
        return False


class HasRole(BasePermission):
    """Accounts with any role on the row, and staff with the permission that the view needs."""

    def has_object_permission(self, request: Request, view: Any, row: Any) -> bool:
        return role_on(request.user, row) is not None or has_right_for(request, view)


class ReadsOrManagesEvent(IsOrganizerOrStaff):
    """Everybody may read. Writing is as for `IsOrganizerOrStaff`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or bool(request.user.is_authenticated)

    def has_object_permission(self, request: Request, view: APIView, event: Event) -> bool:
        return request.method in SAFE_METHODS or super().has_object_permission(request, view, event)

"""Permission classes of DRF for staff; `ApiView.staff_permissions` names the permission."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.request import Request

from .staff_rights import has_staff_right


def has_right_for(request: Request, view: Any) -> bool:
    """Whether the caller is staff with the permission that the view needs for the method."""
    return has_staff_right(request.user, *view.needed_permissions)


class HasStaffRight(IsAuthenticated):
    """Staff with the permission that the view needs."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and has_right_for(request, view)


class ReadsOrHasStaffRight(BasePermission):
    """Anyone reads; staff with the permission that the view needs write."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.method in SAFE_METHODS or has_right_for(request, view)

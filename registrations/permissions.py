from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from config.api.permissions import has_right_for

from .models import Feedback, Registration


class ReadsOrIsAuthor(BasePermission):
    """Whoever may see it reads; its author writes."""

    def has_object_permission(self, request: Request, view: APIView, row: Feedback) -> bool:
        return request.method in SAFE_METHODS or row.author_id == request.user.pk


class ManagesRegistration(BasePermission):
    """Whose it is, who made it and the organizer; staff with the permission that the view needs."""

    def has_object_permission(self, request: Request, view: APIView, row: Registration) -> bool:
        people = {row.user_id, row.registered_by_id, row.event.organizer_id} - {None}
        return request.user.pk in people or has_right_for(request, view)

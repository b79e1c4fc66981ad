from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from .models import Feedback


class ReadsOrIsAuthor(BasePermission):
    """Whoever may see it reads; its author writes."""

    def has_object_permission(self, request: Request, view: APIView, row: Feedback) -> bool:
        return request.method in SAFE_METHODS or row.author_id == request.user.pk

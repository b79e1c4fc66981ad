from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Q
from django.db.models.functions import Lower
from django.http import HttpRequest

from .models import User


class EmailOrUsernameBackend(ModelBackend):
    """Signs in by e-mail address or user name, both without regard to case."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if not username or not password:
            return None
        user = (
            User.objects.alias(lowered=Lower("username"))
            .filter(Q(email=username.lower()) | Q(lowered=username.lower()), is_active=True)
            .first()
        )
        if user is None:
            User().set_password(password)  # as slow as a check, so that time tells nothing
            return None
        return user if user.check_password(password) else None

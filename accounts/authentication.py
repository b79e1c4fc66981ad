from typing import Any

from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import Token

from .audit import set_actor
from .models import User
from .tokens import session_of


def current_user(request: Request) -> User:
    """The signed-in user, for views whose permissions require one."""
    assert isinstance(request.user, User)  # noqa: S101  # by the view's permissions
    return request.user


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access token>`. An invalid token is 401, also on public routes."""

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        header = self.get_header(request)
        raw = header and self.get_raw_token(header)
        if raw is None:
            return None
        token = self.get_validated_token(raw)
        session = session_of(token)
        if session is None:
            raise AuthenticationFailed
        set_actor(session.user_id)
        return session.user, token

"""Who sends a request: access tokens and API keys."""

from typing import Any

from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import Token

from config.fast_path.request import PlainRequest

from .audit import set_actor
from .keys import PREFIX, find_key, record_use
from .models import ApiKey, User
from .tokens import session_of

_KEY_PREFIX = PREFIX.encode()


def current_user(request: Request) -> User:
    """The signed-in user, for views whose permissions require one."""
    assert isinstance(request.user, User)  # noqa: S101  # by the view's permissions
    return request.user


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access token>`, or an API key in its place.

    An invalid token or key is 401, also on public routes.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The account, and the token or the key."""
        header = self.get_header(request)
        raw = header and self.get_raw_token(header)
        if raw is None:
            return None
        if raw.startswith(_KEY_PREFIX):
            return _owner_of_key(raw.decode("latin-1"))
        return self.account_of(raw)

    def account_of(self, raw: bytes) -> tuple[User, Token]:
        """The account of an access token, and the token. Raises `APIException`."""
        token = self.get_validated_token(raw)
        session = session_of(token)
        if session is None:
            raise AuthenticationFailed
        set_actor(session.user_id)
        return session.user, token


_by_token = TokenAuthentication()


def account_by_token(request: PlainRequest) -> User | None:
    """The account of a request with an access token, on the fast path.

    None for API keys, and for what is not a valid token.
    """
    try:
        header = _by_token.get_header(request)  # type: ignore[arg-type]
        raw = header and _by_token.get_raw_token(header)
        if raw is None or raw.startswith(_KEY_PREFIX):
            return None
        user, _ = _by_token.account_of(raw)
    except APIException:
        return None
    return user


def _owner_of_key(secret: str) -> tuple[User, ApiKey]:
    """The account, which has the key as `key`, and the key. Raises `AuthenticationFailed`."""
    key = find_key(secret)
    if key is None:
        raise AuthenticationFailed
    record_use(key)
    key.user.key = key
    set_actor(key.user_id, key.pk)
    return key.user, key

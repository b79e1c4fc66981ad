"""JSON Web Tokens that stay valid after a change of the secret key."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import api_settings

# A token that another host has just issued is accepted by a host whose clock is behind. A token is
# accepted for this time after it has expired, too.
LEEWAY = timedelta(seconds=30)


class _Backend(TokenBackend):
    """Signs with the current key, and reads what earlier ones signed."""

    def __init__(self) -> None:
        super().__init__(api_settings.ALGORITHM, api_settings.SIGNING_KEY, leeway=LEEWAY)
        self.earlier = [
            TokenBackend(api_settings.ALGORITHM, key, leeway=LEEWAY)
            for key in settings.TOKEN_FALLBACK_KEYS
        ]

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        try:
            return super().decode(token, verify)
        except TokenBackendError:
            for backend in self.earlier:
                with suppress(TokenBackendError):
                    return backend.decode(token, verify)
            raise


_backend = _Backend()


class AccessToken(tokens.AccessToken):
    _token_backend = _backend


class RefreshToken(tokens.RefreshToken):
    _token_backend = _backend

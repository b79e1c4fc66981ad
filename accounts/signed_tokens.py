"""JSON Web Tokens that stay valid after a change of the secret key."""

import time
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import api_settings

# A token that another host has just issued is accepted by a host whose clock is behind. A token is
# accepted for this time after it has expired, too.
LEEWAY = timedelta(seconds=30)


# Without it a signed-in user's page of events takes a sixth more processor time.
_MAX_READ_TOKENS = 1000


class _Backend(TokenBackend):
    """Signs with the current key, and reads what earlier ones signed.

    The claims of a valid token are read once, as long as it has not expired. Whether its session
    still exists is not a claim.
    """

    def __init__(self) -> None:
        super().__init__(api_settings.ALGORITHM, api_settings.SIGNING_KEY, leeway=LEEWAY)
        self.earlier = [
            TokenBackend(api_settings.ALGORITHM, key, leeway=LEEWAY)
            for key in settings.TOKEN_FALLBACK_KEYS
        ]

        self._read_once = lru_cache(_MAX_READ_TOKENS)(self._read)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        if not verify:
            return super().decode(token, verify)
        claims = self._read_once(token)
        if claims.get("exp", 0) <= time.time():
            return self._read(token)  # raises, or the token is within the leeway
        return claims.copy()

    def _read(self, token: Any) -> dict[str, Any]:
        try:
            return super().decode(token)
        except TokenBackendError:
            for backend in self.earlier:
                with suppress(TokenBackendError):
                    return backend.decode(token)
            raise


_backend = _Backend()


class AccessToken(tokens.AccessToken):
    _token_backend = _backend


class RefreshToken(tokens.RefreshToken):
    _token_backend = _backend

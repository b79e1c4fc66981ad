"""Signatures by the current secret key and by earlier ones.

`SECRET_KEY` signs. Signatures by the keys in `SECRET_KEY_FALLBACKS` stay valid. Each purpose
derives a key of its own from each of them.
"""

import hmac
from collections.abc import Callable
from functools import cache
from hashlib import sha256

from django.conf import settings
from django.utils.http import urlsafe_base64_encode


def secret_keys() -> tuple[str, ...]:
    """The current key, then the earlier ones."""
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def signature(purpose: str, message: bytes, key: str | None = None) -> str:
    """The signature of a message for a purpose. Without `key` the current key signs."""
    mac = _keyed(key or settings.SECRET_KEY, purpose).copy()
    mac.update(message)
    return urlsafe_base64_encode(mac.digest())


@cache
def _keyed(secret: str, purpose: str) -> hmac.HMAC:
    """HMAC-SHA-256 (RFC 2104) with a key per purpose. Cached: deriving it costs the most."""
    key = hmac.digest(secret.encode(), purpose.encode(), sha256)
    return hmac.new(key, digestmod=sha256)


def is_signature(signature: str, sign: Callable[[str], str]) -> bool:
    """Whether `signature` is that of `sign` with one of the secret keys, in constant time."""
    encoded = signature.encode(errors="replace")
    return any(hmac.compare_digest(encoded, sign(key).encode()) for key in secret_keys())

"""Signatures by the current secret key and by earlier ones.

`SECRET_KEY` signs. Signatures by the keys in `SECRET_KEY_FALLBACKS` stay valid. Each purpose
derives a key of its own from each of them.
"""

import hmac
from collections.abc import Callable

from django.conf import settings


def secret_keys() -> tuple[str, ...]:
    """The current key, then the earlier ones."""
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def is_signature(signature: str, sign: Callable[[str], str]) -> bool:
    """Whether `signature` is that of `sign` with one of the secret keys, in constant time."""
    encoded = signature.encode(errors="replace")
    return any(hmac.compare_digest(encoded, sign(key).encode()) for key in secret_keys())

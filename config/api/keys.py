"""Signatures by the secret key, and by earlier ones.

`SECRET_KEY` signs. What the keys in `SECRET_KEY_FALLBACKS` signed stays valid. Each purpose derives
a key of its own from each of them.
"""

import hmac
from collections.abc import Callable

from django.conf import settings


def secret_keys() -> tuple[str, ...]:
    """The current key, then the earlier ones."""
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def is_signature(given: str, sign: Callable[[str], str]) -> bool:
    """Whether `sign` makes the given signature with one of the secret keys."""
    said = given.encode(errors="replace")
    return any(hmac.compare_digest(said, sign(key).encode()) for key in secret_keys())

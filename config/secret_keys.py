"""Checks of the secret keys in the settings, and the keys that are derived from them."""

import hmac

from django.core.exceptions import ImproperlyConfigured


def checked_key(name: str, key: str) -> str:
    """The key. Raises `ImproperlyConfigured`, which names the variable."""
    if len(key) < 32:
        raise ImproperlyConfigured(f"{name} must have at least 32 characters.")
    if key.startswith("django-insecure-") or len(set(key)) < 10:
        raise ImproperlyConfigured(
            f"{name} must be random: at least 10 different characters, and no sample."
        )
    return key


def token_key(secret: str) -> str:
    """The signing key of access and refresh tokens, derived from the secret key.

    Each purpose has a key of its own. Django derives those of its signers and sessions by salts.
    """
    return hmac.digest(secret.encode(), b"access and refresh tokens", "sha256").hex()

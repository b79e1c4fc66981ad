"""The secrets of webhooks, and how they are stored.

A receiver verifies signatures with the secret, so it cannot be stored as a hash. It is encrypted by
Fernet with a key that is derived from `SECRET_KEY`. A copy of the database alone reveals no secret.
"""

import hmac
import secrets
from base64 import b64encode, urlsafe_b64encode
from functools import cache

from cryptography.fernet import Fernet, InvalidToken
from django.utils import timezone

from config.api.keys import secret_keys

from ..models import Webhook

PREFIX = "whsec_"
_LENGTH = 32


class SecretUnreadable(Exception):
    """It was encrypted by a `SECRET_KEY` that the settings no longer have."""


def new_secret() -> str:
    return PREFIX + b64encode(secrets.token_bytes(_LENGTH)).decode()


def encrypted(secret: str) -> bytes:
    """The secret, encrypted by the current secret key."""
    return _fernet(secret_keys()[0]).encrypt(secret.encode())


def decrypted(content: bytes) -> tuple[str, bool]:
    """The secret, and whether the current secret key encrypted it. Raises `SecretUnreadable`."""
    for number, key in enumerate(secret_keys()):
        try:
            return _fernet(key).decrypt(bytes(content)).decode(), number == 0
        except InvalidToken:
            continue
    raise SecretUnreadable


def secrets_of(webhook: Webhook) -> tuple[str, ...]:
    """The secret by which a webhook signs, and the former one during the overlap of a rotation.

    None is left once `SECRET_KEY` was replaced without a fallback. A secret that a former
    `SECRET_KEY` encrypted is encrypted anew.
    """
    columns = ["secret"]
    if webhook.previous_secret is not None and (
        webhook.previous_until is not None and webhook.previous_until > timezone.now()
    ):
        columns.append("previous_secret")
    found = []
    for column in columns:
        stored = bytes(getattr(webhook, column))
        try:
            secret, is_current = decrypted(stored)
        except SecretUnreadable:
            continue
        if not is_current:
            same = Webhook.objects.filter(pk=webhook.pk, **{column: stored})
            same.update(**{column: encrypted(secret)})
        found.append(secret)
    return tuple(found)


@cache
def _fernet(key: str) -> Fernet:
    derived = hmac.digest(key.encode(), b"webhook secrets", "sha256")
    return Fernet(urlsafe_b64encode(derived))

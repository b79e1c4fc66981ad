"""The secrets of webhooks: how they are stored, and how they sign.

A receiver verifies signatures with the secret, so it cannot be stored as a hash. It is encrypted by
keys that are derived from `SECRET_KEY`: the secret is added to a keystream of HMAC-SHA256 with a
random nonce, and authenticated by another HMAC. A copy of the database alone reveals no secret.
"""

import hmac
import secrets
from base64 import b64decode, b64encode

from config.api.keys import secret_keys

PREFIX = "whsec_"
_LENGTH = 32
_NONCE = 16
_VERSION = b"\x01"


class SecretUnreadable(Exception):
    """It was encrypted by a `SECRET_KEY` that the settings no longer have."""


def new_secret() -> str:
    return PREFIX + b64encode(secrets.token_bytes(_LENGTH)).decode()


def sealed(secret: str) -> bytes:
    """The encrypted secret, by the current secret key."""
    return _sealed(_bytes_of(secret), secret_keys()[0], secrets.token_bytes(_NONCE))


def opened(content: bytes) -> tuple[str, bool]:
    """The secret, and whether the current secret key encrypted it. Raises `SecretUnreadable`."""
    content = bytes(content)
    nonce = content[1 : 1 + _NONCE]
    hidden = content[1 + _NONCE : 1 + _NONCE + _LENGTH]
    for number, key in enumerate(secret_keys()):
        plain = _masked(hidden, key, nonce)
        if hmac.compare_digest(_sealed(plain, key, nonce), content):
            return PREFIX + b64encode(plain).decode(), number == 0
    raise SecretUnreadable


def signature(secret: str, message_id: str, at: int, body: bytes) -> str:
    """By the convention Standard Webhooks 1.0. `at` is in seconds since 1970."""
    signed = b"%s.%d.%s" % (message_id.encode(), at, body)
    return "v1," + b64encode(hmac.digest(_bytes_of(secret), signed, "sha256")).decode()


def _bytes_of(secret: str) -> bytes:
    return b64decode(secret.removeprefix(PREFIX))


def _sealed(plain: bytes, key: str, nonce: bytes) -> bytes:
    content = _VERSION + nonce + _masked(plain, key, nonce)
    return content + hmac.digest(_derived(key, b"authenticity"), content, "sha256")


def _masked(content: bytes, key: str, nonce: bytes) -> bytes:
    """Encrypts or decrypts at most 32 bytes, the length of one HMAC."""
    stream = hmac.digest(_derived(key, b"secrecy"), nonce, "sha256")
    return bytes(left ^ right for left, right in zip(content, stream, strict=False))


def _derived(key: str, purpose: bytes) -> bytes:
    return hmac.digest(key.encode(), b"webhook secrets: " + purpose, "sha256")

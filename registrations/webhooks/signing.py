"""Signatures of what webhooks send, by the convention Standard Webhooks 1.0."""

import hmac
from base64 import b64decode, b64encode

from .secrets import PREFIX


def signature(secret: str, message_id: str, at: int, body: bytes) -> str:
    """One signature of the header `webhook-signature`. `at` is in seconds since 1970."""
    signed = b"%s.%d.%s" % (message_id.encode(), at, body)
    key = b64decode(secret.removeprefix(PREFIX))
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()

"""The text of API keys, and the account that a key belongs to.

A key is `evk_`, 32 random letters and digits, and a checksum of six. The prefix lets scanners find
keys in texts. The checksum lets them, and this server, recognize other texts without a query.
"""

import hashlib
import secrets
import string
import zlib
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from .models import ApiKey

PREFIX = "evk_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 32  # 190 bits
_CHECKSUM_LENGTH = 6
_HINT_LENGTH = len(PREFIX) + 4
_LENGTH = len(PREFIX) + _RANDOM_LENGTH + _CHECKSUM_LENGTH

# The time of the last use is written at most once a minute, not by every request.
_USE_PRECISION = timedelta(minutes=1)


def new_secret() -> str:
    body = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _checksum(body)


def is_key(text: str) -> bool:
    """Whether a text has the form of a key, with the right checksum."""
    body, checksum = text[:-_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
    return len(text) == _LENGTH and text.startswith(PREFIX) and checksum == _checksum(body)


def hint_of(secret: str) -> str:
    return secret[:_HINT_LENGTH]


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def find_key(secret: str) -> ApiKey | None:
    """The live key, with its user, of an active account. None for any other text."""
    if not is_key(secret):
        return None
    digest = digest_of(secret)
    before_rotation = Q(previous_digest=digest, previous_until__gt=timezone.now())
    return (
        ApiKey.objects.live()
        .select_related("user")
        .filter(Q(digest=digest) | before_rotation, user__is_active=True)
        .first()
    )


def record_use(key: ApiKey) -> None:
    """Record the time of this use, unless the last one was less than a minute ago.

    Of simultaneous requests one writes, and no other one blocks.
    """
    now = timezone.now()
    if key.last_used_at is not None and now - key.last_used_at < _USE_PRECISION:
        return
    free = ApiKey.objects.filter(pk=key.pk).select_for_update(skip_locked=True, no_key=True)
    with transaction.atomic():  # Django refuses row locks outside of a transaction
        ApiKey.objects.filter(pk__in=free.values("pk")).update(last_used_at=now)
    key.last_used_at = now


def _checksum(body: str) -> str:
    """CRC-32 as six digits of base 62."""
    number = zlib.crc32(body.encode(errors="surrogateescape"))
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))

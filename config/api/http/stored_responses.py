"""The responses that are stored for repeated requests with an Idempotency-Key.

Storage is bounded. For each caller the latest responses are stored, at most `MAX_NUMBER_OF_CALLER`,
and older ones are deleted beyond `MAX_BYTES_OF_CALLER`. An index finds the responses that name a
person: see `mentions`.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db import connection
from django.http import HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from config.errors import PayloadTooLarge

from ..keys import secret_keys
from ..models import StoredResponse
from .mentions import mentions_in, mentions_of

REPLAY_PERIOD = timedelta(hours=24)
MAX_BYTES = 8 * 1024 * 1024
MAX_NUMBER_OF_CALLER = 10_000
MAX_BYTES_OF_CALLER = 64 * 1024 * 1024
# Eviction takes time in proportion to the caller's responses, so each one makes room for many.
_RETAINED_PART = 0.9
# Another request of the caller deletes the locked rows, so they are skipped.
_EVICT = """
    DELETE FROM api_storedresponse WHERE fingerprint IN (
        SELECT fingerprint FROM api_storedresponse WHERE fingerprint IN (
            SELECT fingerprint FROM (
                SELECT fingerprint,
                    row_number() OVER latest AS number, sum(size) OVER latest AS bytes
                FROM api_storedresponse WHERE caller = %(caller)s
                WINDOW latest AS (ORDER BY created_at DESC, fingerprint)
            ) AS ranked
            WHERE number > %(number)s OR bytes > %(bytes)s
        ) FOR UPDATE SKIP LOCKED
    )
"""
_STORED_HEADERS = ("Content-Type", "Location", "ETag", "Preference-Applied")


def find_stored(fingerprint: bytes) -> StoredResponse | None:
    """The response that a repetition of the request gets."""
    return StoredResponse.objects.filter(
        pk=fingerprint, created_at__gt=timezone.now() - REPLAY_PERIOD
    ).first()


def store(fingerprint: bytes, caller: bytes, body_digest: bytes, response: HttpResponse) -> None:
    """Raises `PayloadTooLarge` for a response that is too large to be replayed."""
    body = response.content
    if len(body) > MAX_BYTES:
        raise PayloadTooLarge(
            "Nothing was done: the response is too large to be stored for a repetition. Send fewer"
            " rows at once, or no Idempotency-Key.",
            max_bytes=MAX_BYTES,
        )
    stored = StoredResponse(
        fingerprint=fingerprint,
        body_digest=body_digest,
        caller=caller,
        status=response.status_code,
        headers={name: response[name] for name in _STORED_HEADERS if name in response},
        body=body,
        size=len(body),
        mentions=mentions_in(body, response.get("Content-Type", "")),
        created_at=timezone.now(),
    )
    StoredResponse.objects.bulk_create(  # one statement, which also replaces an expired response
        [stored],
        update_conflicts=True,
        unique_fields=["fingerprint"],
        update_fields=[
            "body_digest", "caller", "status", "headers", "body", "size", "mentions", "created_at",
        ],
    )  # fmt: skip


def evict(caller: bytes) -> None:
    """Delete a caller's oldest responses where the caller has reached a limit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM api_storedresponse WHERE caller = %s",
            [caller],
        )
        number, size = cursor.fetchone()
        if number < MAX_NUMBER_OF_CALLER and size < MAX_BYTES_OF_CALLER:
            return
        cursor.execute(
            _EVICT,
            {
                "caller": caller,
                "number": int(MAX_NUMBER_OF_CALLER * _RETAINED_PART),
                "bytes": int(MAX_BYTES_OF_CALLER * _RETAINED_PART),
            },
        )


def delete_expired_responses() -> int:
    """Delete the responses that may no longer be replayed; returns their number."""
    deleted, _ = StoredResponse.objects.filter(
        created_at__lte=timezone.now() - REPLAY_PERIOD
    ).delete()
    return deleted


def delete_responses_about(
    *, emails: Iterable[str], usernames: Iterable[str] = (), user_id: int | None = None
) -> int:
    """Delete the responses that name an erased person; returns their number.

    `user_id` adds the responses to the person's own requests, which may have names and addresses
    that the person no longer has. Indexes find all of them without reading stored bodies.
    """
    mentions = mentions_of(emails=emails, usernames=usernames)
    deleted, _ = StoredResponse.objects.filter(mentions__overlap=mentions).delete()
    if user_id is not None:
        digests = [digest_of_caller(f"user {user_id}", key) for key in secret_keys()]
        deleted += StoredResponse.objects.filter(caller__in=digests).delete()[0]
    return deleted


def digest_of_caller(caller: str, key: str | None = None) -> bytes:
    """A keyed digest, since a plain one could be inverted by trying all addresses."""
    return salted_hmac("idempotency caller", caller, key, algorithm="sha256").digest()

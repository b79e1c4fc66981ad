"""Idempotency-Key: a POST that a client repeats is done once, and answered alike.

The answer is stored in the transaction that does the work: both commit or neither, so a crash in
between can neither lose nor double anything. "In progress" is an advisory lock of that
transaction: PostgreSQL drops it with the connection, so a request that died leaves nothing behind.

What is stored is bounded. A response over `MAX_BYTES` undoes its work, since a repetition could
not be answered alike. Of one caller the latest responses are stored, `MAX_NUMBER_OF_CALLER` at
most, and older ones are deleted beyond `MAX_BYTES_OF_CALLER`. An index finds the responses that
name a person: see `mentions`.
"""

import hashlib
import io
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.views import APIView

from config.errors import (
    FieldError,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    PayloadTooLarge,
    ValidationFailed,
)

from ..keys import secret_keys
from ..models import KeptAnswer
from .mentions import mentions_in, mentions_of
from .negotiation import to_json
from .throttling import client_address

KEPT_FOR = timedelta(hours=24)
MAX_BYTES = 8 * 1024 * 1024
MAX_NUMBER_OF_CALLER = 10_000
MAX_BYTES_OF_CALLER = 64 * 1024 * 1024
# Making room takes as long as the caller has responses, so each time it is made for many.
_LEFT_PART = 0.9
# Locked rows are skipped, since another request of the caller is deleting them.
_MAKE_ROOM = """
    DELETE FROM api_keptanswer WHERE fingerprint IN (
        SELECT fingerprint FROM api_keptanswer WHERE fingerprint IN (
            SELECT fingerprint FROM (
                SELECT fingerprint,
                    row_number() OVER latest AS number, sum(size) OVER latest AS bytes
                FROM api_keptanswer WHERE caller = %(caller)s
                WINDOW latest AS (ORDER BY created_at DESC, fingerprint)
            ) AS ranked
            WHERE number > %(number)s OR bytes > %(bytes)s
        ) FOR UPDATE SKIP LOCKED
    )
"""
_KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Preference-Applied")

Handler = Callable[..., HttpResponseBase]


def read_key(request: Request) -> str | None:
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not 1 <= len(key) <= 255:
        raise ValidationFailed(
            FieldError(
                "Idempotency-Key", "max_length" if key else "blank", "Use 1 to 255 characters."
            )
        )
    return key


def answer_once(view: APIView, handler: Handler, key: str) -> Handler:
    """Wrap a view's POST handler so that one key does its work once."""

    def handle(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if _user_id(request) is None and not client_address(request):
            # Guests whose address nobody knows are strangers to each other.
            return handler(request, *args, **kwargs)
        fingerprint = _fingerprint(request, key)
        content = _content(request)
        with transaction.atomic():
            if not _lock(fingerprint):
                raise IdempotencyInProgress(headers={"Retry-After": "1"})
            kept = KeptAnswer.objects.filter(
                pk=fingerprint, created_at__gt=timezone.now() - KEPT_FOR
            ).first()
            if kept is not None:
                return _replay(kept, content)
            caller = _digest_of_caller(_caller(request))
            _make_room(caller)  # before the work locks anything
            response = _answer(view, handler, request, *args, **kwargs)
            if response.status_code < 500 and response.status_code != 429:
                _keep(fingerprint, caller, _digest(content), response)
        return response

    return handle


def forget_old_answers() -> int:
    """Delete what may no longer be replayed; returns how many."""
    deleted, _ = KeptAnswer.objects.filter(created_at__lte=timezone.now() - KEPT_FOR).delete()
    return deleted


def forget_answers_about(
    *, emails: Iterable[str], usernames: Iterable[str] = (), user_id: int | None = None
) -> int:
    """Delete the answers that name a person who is erased; returns how many.

    `user_id` adds those to the person's own requests, which may have names and addresses that the
    person no longer has. All are found by indexes, and no stored body is read.
    """
    mentions = mentions_of(emails=emails, usernames=usernames)
    deleted, _ = KeptAnswer.objects.filter(mentions__overlap=mentions).delete()
    if user_id is not None:
        digests = [_digest_of_caller(f"user {user_id}", key) for key in secret_keys()]
        deleted += KeptAnswer.objects.filter(caller__in=digests).delete()[0]
    return deleted


def _fingerprint(request: Request, key: str) -> bytes:
    parts = (_caller(request), request.path, key)
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).digest()


def _caller(request: Request) -> str:
    user_id = _user_id(request)
    return f"address {client_address(request)}" if user_id is None else f"user {user_id}"


def _digest_of_caller(caller: str, key: str | None = None) -> bytes:
    """With our key, or the few addresses that there are could be tried one by one."""
    return salted_hmac("idempotency caller", caller, key, algorithm="sha256").digest()


def _user_id(request: Request) -> int | None:
    return request.user.pk if request.user else None


def _content(request: Request) -> bytes:
    """The body; of a form, whose boundary is new with each attempt, its fields and files.

    And the query: a dry run is another request than the one that it rehearses.
    """
    body = _whole_body(request)
    is_multipart = request.content_type.startswith("multipart/")
    if is_multipart and isinstance(request.data, QueryDict):
        fields = sorted(request.data.lists())
        body = to_json([[name, *(_plain(value) for value in values)] for name, values in fields])
    query = str(request.META.get("QUERY_STRING", "")).encode(errors="surrogateescape")
    return query + b"\0" + body


def _digest(content: bytes, key: str | None = None) -> bytes:
    """With our key: a body may hold a password, which a plain digest would let people guess."""
    return salted_hmac("idempotency", content, key, algorithm="sha256").digest()


def _whole_body(request: Request) -> bytes:
    """Django's own limit knows one size for all routes; `ApiMiddleware` has checked this one's."""
    raw: Any = request._request
    if not hasattr(raw, "_body"):
        raw._body = raw.read()
        raw._stream = io.BytesIO(raw._body)
    return bytes(raw._body)


def _plain(value: Any) -> str:
    if not isinstance(value, UploadedFile):
        return str(value)
    digest = hashlib.sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return f"{value.name} {digest.hexdigest()}"


def _lock(fingerprint: bytes) -> bool:
    number = int.from_bytes(fingerprint[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _answer(
    view: APIView, handler: Handler, request: Request, *args: Any, **kwargs: Any
) -> HttpResponse:
    """The rendered answer, whether the handler returned or refused."""
    try:
        with transaction.atomic():
            response = handler(request, *args, **kwargs)
    except Exception as exc:  # noqa: BLE001  # the refusal is the answer: it is kept like any other
        response = view.handle_exception(exc)
    final: Any = view.finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
    return final.render()  # type: ignore[no-any-return]


def _keep(fingerprint: bytes, caller: bytes, body_digest: bytes, response: HttpResponse) -> None:
    """Raises `PayloadTooLarge` for a response that is too large to be replayed."""
    body = response.content
    if len(body) > MAX_BYTES:
        raise PayloadTooLarge(
            "Nothing was done: the response is too large to be stored for a repetition. Send fewer"
            " rows at once, or no Idempotency-Key.",
            max_bytes=MAX_BYTES,
        )
    kept = KeptAnswer(
        fingerprint=fingerprint,
        body_digest=body_digest,
        caller=caller,
        status=response.status_code,
        headers={name: response[name] for name in _KEPT_HEADERS if name in response},
        body=body,
        size=len(body),
        mentions=mentions_in(body, response.get("Content-Type", "")),
        created_at=timezone.now(),
    )
    KeptAnswer.objects.bulk_create(  # one statement, which also replaces an answer of yesterday
        [kept],
        update_conflicts=True,
        unique_fields=["fingerprint"],
        update_fields=[
            "body_digest", "caller", "status", "headers", "body", "size", "mentions", "created_at",
        ],
    )  # fmt: skip


def _make_room(caller: bytes) -> None:
    """Delete a caller's oldest answers where no more may be stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM api_keptanswer WHERE caller = %s",
            [caller],
        )
        number, size = cursor.fetchone()
        if number < MAX_NUMBER_OF_CALLER and size < MAX_BYTES_OF_CALLER:
            return
        cursor.execute(
            _MAKE_ROOM,
            {
                "caller": caller,
                "number": int(MAX_NUMBER_OF_CALLER * _LEFT_PART),
                "bytes": int(MAX_BYTES_OF_CALLER * _LEFT_PART),
            },
        )


def _replay(kept: KeptAnswer, content: bytes) -> HttpResponse:
    if bytes(kept.body_digest) not in {_digest(content, key) for key in secret_keys()}:
        raise IdempotencyKeyReused
    headers = {**kept.headers, "Idempotent-Replayed": "true"}
    response = HttpResponse(bytes(kept.body), status=kept.status, headers=headers)
    if "Content-Type" not in kept.headers:
        del response["Content-Type"]
    return response

"""Idempotency-Key: a repeated POST does its work once and gets the first response again.

The response is stored in the transaction that does the work. Both commit or neither, so a crash
neither loses nor repeats work. A request in progress holds an advisory lock of that transaction,
which PostgreSQL releases with the connection.

A response is not replayed to a caller whose right on the row has ended: see `check_replay`.

`stored_responses` bounds the storage. If a response is too large for it, the work is rolled back.
"""

import hashlib
import io
from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac
from rest_framework.request import Request

from config.errors import (
    FieldError,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    ValidationFailed,
)

from ..key_scopes import key_of
from ..keys import secret_keys
from ..models import StoredResponse
from .negotiation import to_json
from .stored_responses import digest_of_caller, evict, find_stored, store
from .throttling import client_address

Handler = Callable[..., HttpResponseBase]


def read_key(request: Request) -> str | None:
    """The header Idempotency-Key. Raises `ValidationFailed`."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not 1 <= len(key) <= 255:
        raise ValidationFailed(
            FieldError(
                "Idempotency-Key", "max_length" if key else "blank", "Use 1 to 255 characters."
            )
        )
    return key


def handle_once(view: Any, handler: Handler, key: str) -> Handler:
    """Wrap a view's POST handler so that it runs once for each key."""

    def handle(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if _user_id(request) is None and not client_address(request):
            # Guests without a known address cannot be distinguished, so nothing is stored.
            return handler(request, *args, **kwargs)
        fingerprint = _fingerprint(request, key)
        content = _content(request)
        with transaction.atomic():
            if not _lock(fingerprint):
                raise IdempotencyInProgress
            stored = find_stored(fingerprint)
            if stored is not None:
                view.check_replay(**kwargs)
                return _replay(stored, content)
            caller = digest_of_caller(_caller(request))
            evict(caller)  # before the handler takes locks
            response = _rendered_response(view, handler, request, *args, **kwargs)
            if response.status_code < 500 and response.status_code != 429:
                store(fingerprint, caller, _digest(content), response)
        return response

    return handle


def _fingerprint(request: Request, key: str) -> bytes:
    api_key = key_of(request.user)  # it may see less than its owner
    caller = _caller(request) if api_key is None else f"{_caller(request)} key {api_key.pk}"
    parts = (caller, request.path, key)
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).digest()


def _caller(request: Request) -> str:
    user_id = _user_id(request)
    return f"address {client_address(request)}" if user_id is None else f"user {user_id}"


def _user_id(request: Request) -> int | None:
    return request.user.pk if request.user else None


def _content(request: Request) -> bytes:
    """The query string and the body, which identify the request's content.

    The query counts, since a dry run is another request. A form is represented by its fields and
    files, since its boundary is new with each attempt.
    """
    body = _whole_body(request)
    is_multipart = request.content_type.startswith("multipart/")
    if is_multipart and isinstance(request.data, QueryDict):
        fields = sorted(request.data.lists())
        body = to_json([[name, *(_plain(value) for value in values)] for name, values in fields])
    query = str(request.META.get("QUERY_STRING", "")).encode(errors="surrogateescape")
    return query + b"\0" + body


def _digest(content: bytes, key: str | None = None) -> bytes:
    """A keyed digest, since a plain one would allow guesses at a password in the body."""
    return salted_hmac("idempotency", content, key, algorithm="sha256").digest()


def _whole_body(request: Request) -> bytes:
    """The body, past Django's one limit for all routes. `ApiMiddleware` has checked the route's."""
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


def _rendered_response(
    view: Any, handler: Handler, request: Request, *args: Any, **kwargs: Any
) -> HttpResponse:
    """The rendered response of the handler, or that of its exception."""
    try:
        with transaction.atomic():
            response = handler(request, *args, **kwargs)
    except Exception as exc:  # noqa: BLE001  # a refusal is stored like any other response
        response = view.handle_exception(exc)
    final: Any = view.finalize_response(request, response, *args, **kwargs)
    return final.render()  # type: ignore[no-any-return]


def _replay(stored: StoredResponse, content: bytes) -> HttpResponse:
    if bytes(stored.body_digest) not in {_digest(content, key) for key in secret_keys()}:
        raise IdempotencyKeyReused
    headers = {**stored.headers, "Idempotent-Replayed": "true"}
    response = HttpResponse(bytes(stored.body), status=stored.status, headers=headers)
    if "Content-Type" not in stored.headers:
        del response["Content-Type"]
    return response

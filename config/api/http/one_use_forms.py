"""Forms of pages for guests: a signed token instead of a cookie, and each form is used once.

The token says when the form was rendered. Programs that fill in forms send it sooner than a person
could, or days later from a stored copy. A repeated submission, such as a double click or a reload,
gets the first response again: see `stored_responses`. A submission that is refused does not use up
its form.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.core import signing
from django.db import connection, transaction
from django.http import HttpResponse
from django.utils.crypto import salted_hmac

from config.errors import FieldError, ValidationFailed

from ..keys import secret_keys
from .negotiation import to_json
from .stored_responses import digest_of_caller, evict, find_stored, store

MIN_SECONDS = 2
MAX_SECONDS = 24 * 60 * 60
_SALT = "form"


@dataclass(frozen=True)
class FormToken:
    """`form` names the form, such as `register 7`. `rendered_at` is in seconds since 1970."""

    form: str
    rendered_at: int
    nonce: str

    def __str__(self) -> str:
        value = f"{self.form}:{self.rendered_at}:{self.nonce}"
        return signing.Signer(salt=_SALT).sign(value)


def new_token(form: str, earlier: FormToken | None = None) -> FormToken:
    """A token for a form. With `earlier`, the form is rendered again, such as after an error."""
    rendered_at = earlier.rendered_at if earlier else int(time.time())
    return FormToken(form, rendered_at, secrets.token_urlsafe(12))


def read_token(text: str, form: str) -> FormToken | None:
    """None for a token that is forged, of another form, or too old."""
    try:
        name, rendered_at, nonce = signing.Signer(salt=_SALT).unsign(text).rsplit(":", 2)
    except (signing.BadSignature, ValueError):
        return None
    token = FormToken(name, int(rendered_at), nonce)
    age = time.time() - token.rendered_at
    return token if name == form and age <= MAX_SECONDS else None


def check_token(token: FormToken | None) -> FormToken:
    """Raises `ValidationFailed` for no token, and for one that is sent too soon."""
    if token is None:
        raise _refusal("This form has expired. Check it and send it again.")
    if time.time() - token.rendered_at < MIN_SECONDS:
        raise _refusal("That was faster than people type. Wait a moment and send it again.")
    return token


def submit_once(
    token: FormToken,
    fields: Iterable[tuple[str, list[str]]],
    work: Callable[[], HttpResponse],
    *,
    address: str,
) -> HttpResponse:
    """The response of `work`, in whose transaction it is stored for repetitions.

    `address` is the client's, since the storage of each client is bounded. Raises
    `ValidationFailed` if the form was sent before with other fields.
    """
    fingerprint = hashlib.sha256(f"form\0{token}".encode()).digest()
    content = to_json(sorted(fields))
    with transaction.atomic():
        with connection.cursor() as cursor:  # a double click waits for the first one
            number = int.from_bytes(fingerprint[:8], signed=True)
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
        stored = find_stored(fingerprint)
        if stored is not None:
            if bytes(stored.body_digest) not in {_digest(content, key) for key in secret_keys()}:
                raise _refusal("This form was sent before. Check it and send it again.")
            return HttpResponse(
                bytes(stored.body), status=stored.status, headers=dict(stored.headers)
            )
        caller = digest_of_caller(f"address {address}")
        evict(caller)  # before the work takes locks
        response = work()
        store(fingerprint, caller, _digest(content), response)
    return response


def _digest(content: bytes, key: str | None = None) -> bytes:
    return salted_hmac("form", content, key, algorithm="sha256").digest()


def _refusal(detail: str) -> ValidationFailed:
    return ValidationFailed(FieldError(None, "invalid", detail))

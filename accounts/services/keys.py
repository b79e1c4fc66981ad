"""API keys: creating, narrowing, rotating and revoking them.

The account is locked first, so that the number of keys and the end of all keys are exact.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from config.errors import FieldError, NotFound, ValidationFailed

from ..audit import audited, record
from ..errors import KeyLimit
from ..keys import digest_of, find_key, hint_of, new_secret
from ..models import ERASED_KEY_NAME, ApiKey, User
from ..notifications import notify
from .rules import lock_account

MAX_KEYS = 25
DEFAULT_LIFETIME = timedelta(days=365)


@transaction.atomic
def create_key(
    user: User,
    *,
    name: str,
    scopes: list[str],
    events: list[int] | None,
    expires_at: datetime | None,
    password: str,
) -> tuple[ApiKey, str]:
    """The key and its text, which is stored nowhere.

    Raises `ValidationFailed` for a wrong password, `KeyLimit`.
    """
    user = lock_account(user.pk)
    if not user.check_password(password):
        raise ValidationFailed(
            FieldError("password", "wrong_password", "This is not your password.")
        )
    if user.keys.live().count() >= MAX_KEYS:
        raise KeyLimit(maximum=MAX_KEYS)
    secret = new_secret()
    key = ApiKey.objects.create(
        user=user,
        name=name,
        hint=hint_of(secret),
        digest=digest_of(secret),
        scopes=scopes,
        events=events,
        expires_at=expires_at,
    )
    record(key, "created", after={"name": name, "scopes": scopes, "events": events})
    return key, secret


@transaction.atomic
@audited("edited")
def edit_key(key: ApiKey, changes: dict[str, Any]) -> ApiKey:
    """Renames a key, or narrows its scopes, events and expiry. Raises `ValidationFailed`."""
    key = _locked(key)
    errors = [
        FieldError(name, "cannot_widen", _WIDER[name])
        for name, is_wider in (
            ("scopes", _has_more(changes.get("scopes", key.scopes), key.scopes)),
            ("events", _has_more(changes.get("events", key.events), key.events)),
            ("expires_at", _is_later(changes.get("expires_at", key.expires_at), key.expires_at)),
        )
        if is_wider
    ]
    if errors:
        raise ValidationFailed(*errors)
    for name, value in changes.items():
        setattr(key, name, value)
    key.save(update_fields=list(changes))
    return key


_WIDER = {
    "scopes": "Scopes can only be removed. Create another key for more.",
    "events": "Events can only be removed. Create another key for more.",
    "expires_at": "The expiry can only be earlier. Create another key for a later one.",
}


def _has_more(new: Iterable[Any] | None, old: Iterable[Any] | None) -> bool:
    """Whether `new` has what `old` lacks. None is everything."""
    if old is None:
        return False
    return new is None or not set(new) <= set(old)


def _is_later(new: datetime | None, old: datetime | None) -> bool:
    """None is never."""
    if old is None:
        return False
    return new is None or new > old


@transaction.atomic
@audited("rotated", always=True)
def rotate_key(key: ApiKey, *, overlap_hours: int) -> tuple[ApiKey, str]:
    """Replaces the text of a key; the former one works for the overlap. One before that ends."""
    key = _locked(key)
    secret, now = new_secret(), timezone.now()
    until = now + timedelta(hours=overlap_hours) if overlap_hours else None
    key.previous_digest = key.digest if until else None
    key.previous_until = until
    key.digest, key.hint = digest_of(secret), hint_of(secret)
    key.save(update_fields=["digest", "hint", "previous_digest", "previous_until"])
    return key, secret


@transaction.atomic
@audited("revoked")
def revoke_key(key: ApiKey) -> None:
    """Ends a key at once. A revoked one stays unchanged."""
    ApiKey.objects.existing().filter(pk=key.pk).update(
        revoked_at=timezone.now(), previous_digest=None, previous_until=None
    )


@transaction.atomic
def revoke_found_key(secret: str) -> None:
    """Revokes a key that somebody has found, and notifies its owner.

    A key that a rotation has replaced ends alone: its successor was not found. Other texts change
    nothing.
    """
    key = find_key(secret)
    if key is None:
        return
    digest = digest_of(secret)
    replaced = ApiKey.objects.filter(pk=key.pk, previous_digest=digest)
    if not replaced.update(previous_digest=None, previous_until=None):
        revoke_key(key)
    notify(
        "key_revoked",
        key=f"key_revoked:{uuid4()}",
        email=key.user.email,
        user=key.user,
        facts={
            "key_name": key.name,
            "hint": hint_of(secret),
            "is_replaced": bytes(key.digest) != digest,
        },
    )


def end_keys(user: User, *, erases: bool = False) -> None:
    """Revokes every key of an account. With `erases` it removes their names, too."""
    now = timezone.now()
    user.keys.existing().update(revoked_at=now, previous_digest=None, previous_until=None)
    if erases:
        user.keys.update(name=ERASED_KEY_NAME, hint="")


def _locked(key: ApiKey) -> ApiKey:
    """The current row. Raises `NotFound` for a key that was revoked a moment ago."""
    rows = ApiKey.objects.existing().select_for_update(no_key=True)
    locked = rows.filter(pk=key.pk).first()
    if locked is None:
        raise NotFound
    return locked

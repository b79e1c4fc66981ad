"""What an API key may do: its scopes, and the check of each request.

A view names the scopes of its methods in `key_scopes`; see `ApiView`. A method without an entry is
closed to keys. The account of a request has the key as `key`, so everything that decides by the
account decides by the key as well.
"""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from django.db.models import TextChoices

from config.errors import InsufficientScope, KeyNotAllowed, PermissionDenied


class Scope(TextChoices):
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    REGISTRATIONS_READ = "registrations:read"
    REGISTRATIONS_WRITE = "registrations:write"
    CHECKIN = "checkin"
    STATISTICS_READ = "statistics:read"
    MESSAGES_WRITE = "messages:write"
    CHANGES_READ = "changes:read"
    WEBHOOKS = "webhooks"


# Any one of these scopes is enough.
Scopes = tuple[Scope, ...]
# The route shows public data. A key with `events:read` sees what is the owner's as well.
OPEN: Scopes = ()


class Key(Protocol):
    """The key of a request. `sees_own` is false where the request may show public data only."""

    pk: Any
    scopes: Any
    events: Any
    sees_own: bool


def key_of(user: Any) -> Key | None:
    """The key that a request was made with. None for tokens and guests."""
    key: Key | None = getattr(user, "key", None)
    return key


def check_key(key: Key, scopes_by_method: Mapping[str, Scopes], method: str) -> None:
    """Raises `KeyNotAllowed` or `InsufficientScope`."""
    scopes = scopes_by_method.get(method)
    if scopes is None:
        raise KeyNotAllowed
    if scopes == OPEN:
        key.sees_own = Scope.EVENTS_READ in key.scopes
    elif not has_scope(key, scopes):
        raise _insufficient(scopes)


def check_sees_own(user: Any) -> None:
    """For a list of the caller's own rows on an open route. Raises `InsufficientScope`."""
    key = key_of(user)
    if key is not None and not key.sees_own:
        raise _insufficient((Scope.EVENTS_READ,))


def _insufficient(scopes: Scopes) -> InsufficientScope:
    return InsufficientScope(
        f"The key needs the scope {' or '.join(scopes)}.", required_scope=scopes[0].value
    )


def has_scope(key: Key, scopes: Collection[Scope]) -> bool:
    return not frozenset(scopes).isdisjoint(key.scopes)


def require_every_event(user: Any) -> None:
    """Raises `PermissionDenied` for a key that is restricted to some events: it may create none."""
    key = key_of(user)
    if key is not None and key.events is not None:
        raise PermissionDenied("This key is restricted to some events, so it creates none.")


def covers_event(user: Any, event_id: int) -> bool:
    """Whether the key of the request, if there is one, extends to an event."""
    key = key_of(user)
    return key is None or key.events is None or event_id in key.events

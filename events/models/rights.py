"""What an account may do with an event or a series.

`role_on` and `rights_on` decide it for every permission, serializer and service; `own_events` is
the same as a condition on many rows. No other module tests roles. A key has the role of its owner
on the events that it extends to, and the scopes of a route limit what it does there.
"""

from enum import StrEnum
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, TextChoices

from accounts.models import User
from config.api.key_scopes import Scope, has_scope, key_of

Viewer = User | AnonymousUser


class Role(TextChoices):
    OWNER = "owner"


class Right(StrEnum):
    CANCEL = "cancel"
    EDIT = "edit"
    PEOPLE = "people"
    CHECKIN = "checkin"
    TEAM = "team"
    DELETE = "delete"


RIGHTS: dict[Role, frozenset[Right]] = {Role.OWNER: frozenset(Right)}


def role_on(user: Viewer, row: Any) -> Role | None:
    """The role of an account on an event or a series. None for guests and strangers."""
    if user.pk is None or user.pk != row.organizer_id or not _extends_to(user, row):
        return None
    return Role.OWNER


def rights_on(user: Viewer, row: Any) -> frozenset[Right]:
    role = role_on(user, row)
    return frozenset() if role is None else RIGHTS[role]


def has_right(user: Viewer, right: Right, row: Any) -> bool:
    return right in rights_on(user, row)


def sees_details(user: Viewer, row: Any) -> bool:
    """Whether a role shows the link to join an event or series, and its reminders."""
    key = key_of(user)
    if key is not None and not has_scope(key, (Scope.EVENTS_READ,)):
        return False
    return not rights_on(user, row).isdisjoint((Right.EDIT, Right.PEOPLE))


def own_events(user: Viewer, *, path: str = "") -> Q | None:
    """The condition for rows of the events on which an account has a role. None if there are none.

    `path` leads from the rows to the event, such as `event__`.
    """
    key = key_of(user)
    if user.pk is None or (key is not None and not key.sees_own):
        return None
    own = Q(**{f"{path}organizer_id": user.pk})
    return own if key is None or key.events is None else own & Q(**{f"{path}id__in": key.events})


def own_series(user: Viewer) -> Q | None:
    """As `own_events`, for series. A key that is restricted to some events has none."""
    key = key_of(user)
    if user.pk is None or (key is not None and not (key.sees_own and key.events is None)):
        return None
    return Q(organizer_id=user.pk)


def _extends_to(user: Viewer, row: Any) -> bool:
    """Whether the key of the request, if there is one, extends to the event or series."""
    key = key_of(user)
    if key is None:
        return True
    is_event = row._meta.model_name == "event"
    return key.sees_own and (key.events is None or (is_event and row.pk in key.events))

"""Places on events, by which an account sees an unlisted event.

What a place is belongs to the app of registrations, which depends on this one. So that app defines
the condition when it starts.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q

from config.api.key_scopes import key_of

if TYPE_CHECKING:
    from accounts.models import User

_conditions: list[Callable[[Any], Q]] = []


def define_place(condition: Callable[[Any], Q]) -> None:
    """Defines places: `condition` returns that on the events on which an account has one."""
    _conditions[:] = [condition]


def place_of(user: "User | AnonymousUser") -> Q | None:
    """The condition for events on which an account has a place. None for guests and keys.

    Attendance is closed to keys.
    """
    if user.pk is None or key_of(user) is not None or not _conditions:
        return None
    return _conditions[0](user)

"""What staff may do. No other module decides by `is_staff` or `is_superuser`.

Staff have the rights that Django's model permissions give them, in the API as in the admin. Without
the permission for an action a staff account is an ordinary one, and so is an account that has
permissions but is not staff. Superusers have every right.

Only staff cost queries: their permissions are read by two, once for each request, and then cached
on the user object.

API keys have no staff rights: their scopes are about the owner's own events.
"""

from collections.abc import Hashable, Iterator
from typing import Protocol

from django.db.models import Q

from .key_scopes import key_of


class Account(Protocol):
    """What `User` and `AnonymousUser` have in common."""

    @property
    def is_active(self) -> bool: ...
    @property
    def is_staff(self) -> bool: ...
    @property
    def is_superuser(self) -> bool: ...
    def has_perm(self, perm: str) -> bool: ...
    def get_all_permissions(self) -> set[str]: ...


def has_staff_right(user: Account, *permissions: str) -> bool:
    """Whether staff rights allow `user` what any of `permissions` allows.

    A permission is `events.view_event`. Whoever may change rows may view them, as in the admin.
    """
    return is_privileged(user) and any(map(user.has_perm, _sufficient(permissions)))


def is_privileged(user: Account) -> bool:
    """Whether an account is staff or a superuser, with whatever rights. No key is."""
    return (user.is_staff or user.is_superuser) and key_of(user) is None


def has_every_right(user: Account) -> bool:
    return user.is_superuser and user.is_active


def outranks(user: Account, other: Account) -> bool:
    """Whether staff rights of `user` extend to the account `other`.

    Only superusers change other privileged accounts. Otherwise staff could give a superuser another
    address or password, and become that superuser.
    """
    return has_every_right(user) or not is_privileged(other)


def outranked_accounts(user: Account) -> Q:
    """The condition of `outranks` on rows of accounts."""
    return Q() if has_every_right(user) else Q(is_staff=False, is_superuser=False)


def rights_key(user: Account) -> Hashable:
    """All that rows visible to `user` depend on beside the user's id, for caches of queries."""
    key, has_team = key_of(user), getattr(user, "has_team", False)
    if key is not None:
        events = None if key.events is None else tuple(key.events)
        return has_team, key.sees_own, events, tuple(key.scopes)
    if not is_privileged(user):
        return has_team or None
    rights = "all" if has_every_right(user) else frozenset(user.get_all_permissions())
    return ("team", rights) if has_team else rights


def _sufficient(permissions: tuple[str, ...]) -> Iterator[str]:
    for permission in permissions:
        yield permission
        if ".view_" in permission:
            yield permission.replace(".view_", ".change_", 1)

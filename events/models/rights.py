"""What an account may do with an event or a series.

`access_to` decides it for every permission, serializer and service; `own_events` and
`own_series` are the same as conditions on many rows. No other module tests roles, except those that
change a team. A key has the role of its owner on the events that it extends to, and the scopes of a
route limit what it does there.

The owner is the organizer of the row. Other roles are rows of `TeamMember`. An account that never
had one (`User.has_team`) costs no query and no condition.
"""

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.expressions import RawSQL

from accounts.models import User
from config.api.key_scopes import Key, Scope, has_scope, key_of

from .expressions import AnyOf
from .team import Role, TeamMember

Viewer = User | AnonymousUser


class Right(StrEnum):
    EDIT = "edit"
    PEOPLE = "people"
    CHECKIN = "checkin"
    TEAM = "team"
    CANCEL = "cancel"
    DELETE = "delete"


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OWNER: frozenset(Right),
    Role.MANAGER: frozenset(Right) - {Right.DELETE},
    Role.EDITOR: frozenset({Right.EDIT}),
    Role.REGISTRAR: frozenset({Right.PEOPLE, Right.CHECKIN}),
    Role.DOOR: frozenset({Right.CHECKIN}),
}

# Responses show these. Who may edit and see people may also cancel.
SHOWN_RIGHTS = (Right.EDIT, Right.PEOPLE, Right.CHECKIN, Right.TEAM, Right.DELETE)

# The scopes of which a key needs one for a right. No key has the others.
_SCOPES = {
    Right.EDIT: (Scope.EVENTS_WRITE,),
    Right.PEOPLE: (
        Scope.REGISTRATIONS_READ,
        Scope.REGISTRATIONS_WRITE,
        Scope.MESSAGES_WRITE,
        Scope.STATISTICS_READ,
    ),
    Right.CHECKIN: (Scope.CHECKIN,),
    Right.DELETE: (Scope.EVENTS_WRITE,),
}

# Ids as an array are looked up in the order of the primary key, each page of it once. So of 10,000
# events of a team, a page takes half of the time of `IN`.
_OWN_IDS = """ ARRAY(
    SELECT id FROM events_event WHERE organizer_id = %s
    UNION ALL
    SELECT event_id FROM events_teammember
    WHERE user_id = %s AND state = 'active' AND event_id IS NOT NULL AND role = ANY(%s)
    UNION ALL
    SELECT event.id FROM events_teammember AS member
    JOIN events_event AS event ON event.series_id = member.series_id
    WHERE member.user_id = %s AND member.state = 'active' AND member.role = ANY(%s)
)"""


def roles_with(right: Right) -> list[str]:
    """The roles that include a right, the strongest first."""
    return [role.value for role in Role if right in RIGHTS[role]]


# --- One row ------------------------------------------------------------------------------------


class Access(NamedTuple):
    """What an account may do with an event or a series.

    `role` is the strongest one, None for guests and strangers. `rights` are those of all roles, and
    `shown_rights` those of them that responses show: of a key, those within its scopes.
    `sees_details` says whether a role shows the link to join, and the reminders.
    """

    role: Role | None
    rights: frozenset[Right]
    shown_rights: list[str]
    sees_details: bool


def access_to(user: Viewer, row: Any) -> Access:
    access, key = _access_of(_roles_on(user, row)), key_of(user)
    if key is None:
        return access
    rights = frozenset(right for right in access.rights if _has_scope_for(right, key))
    sees_details = access.sees_details and has_scope(key, (Scope.EVENTS_READ,))
    return access._replace(shown_rights=_shown(rights), sees_details=sees_details)


def role_on(user: Viewer, row: Any) -> Role | None:
    return access_to(user, row).role


def rights_on(user: Viewer, row: Any) -> frozenset[Right]:
    return access_to(user, row).rights


def has_right(user: Viewer, right: Right, row: Any) -> bool:
    return right in rights_on(user, row)


def sees_details(user: Viewer, row: Any) -> bool:
    return access_to(user, row).sees_details


def remember_roles(user: Viewer, rows: Iterable[Any]) -> None:
    """Reads the roles on events or series by one query, if the account has a team at all."""
    rows = [row for row in rows if row.organizer_id != user.pk]
    if not rows or not getattr(user, "has_team", False):
        return
    series_of = {row: row.series_id if _is_event(row) else row.pk for row in rows}
    members = TeamMember.objects.active_of(user).filter(
        Q(event__in=[row.pk for row in rows if _is_event(row)])
        | Q(series__in={pk for pk in series_of.values() if pk})
    )
    by_event, by_series = defaultdict[Any, set[Role]](set), defaultdict[Any, set[Role]](set)
    for event_id, series_id, role in members.values_list("event", "series", "role"):
        (by_series[series_id] if event_id is None else by_event[event_id]).add(Role(role))
    for row, series_id in series_of.items():
        of_event = by_event[row.pk] if _is_event(row) else set()
        row.team_roles = user.pk, frozenset(of_event | by_series[series_id])


def _roles_on(user: Viewer, row: Any) -> frozenset[Role]:
    if user.pk is None or not _extends_to(user, row):
        return frozenset()
    if user.pk == row.organizer_id:
        return _OWNER
    if not user.has_team:
        return frozenset()
    viewer_id, roles = getattr(row, "team_roles", (None, frozenset()))
    if viewer_id != user.pk:
        members = TeamMember.objects.active_of(user).filter(_memberships_of(row))
        roles = frozenset(map(Role, members.values_list("role", flat=True)))
        row.team_roles = user.pk, roles
    return roles


def _memberships_of(row: Any) -> Q:
    """Those of an event and of its series. A null for the series would match all other events."""
    if not _is_event(row):
        return Q(series=row.pk)
    return Q(event=row.pk) | Q(series=row.series_id) if row.series_id else Q(event=row.pk)


_OWNER = frozenset({Role.OWNER})


@cache
def _access_of(roles: frozenset[Role]) -> Access:
    rights = frozenset[Right]().union(*(RIGHTS[role] for role in roles))
    return Access(
        role=next((role for role in Role if role in roles), None),
        rights=rights,
        shown_rights=_shown(rights),
        sees_details=not rights.isdisjoint((Right.EDIT, Right.PEOPLE)),
    )


@cache
def _shown(rights: frozenset[Right]) -> list[str]:
    return [right.value for right in SHOWN_RIGHTS if right in rights]


def _has_scope_for(right: Right, key: Key) -> bool:
    return right in _SCOPES and has_scope(key, _SCOPES[right])


def _extends_to(user: Viewer, row: Any) -> bool:
    """Whether the key of the request, if there is one, extends to the event or series."""
    key = key_of(user)
    if key is None:
        return True
    return key.sees_own and (key.events is None or (_is_event(row) and row.pk in key.events))


def _is_event(row: Any) -> bool:
    return bool(row._meta.model_name == "event")


# --- Many rows ----------------------------------------------------------------------------------


def own_events(user: Viewer, right: Right | None = None, *, path: str = "") -> Q | None:
    """The condition for rows of the events on which an account has a role. None if there are none.

    With `right` the role has to include it. `path` leads from the rows to the event, such as
    `event__`.
    """
    key = key_of(user)
    if user.pk is None or (key is not None and not key.sees_own):
        return None
    own = Q(**{f"{path}organizer_id": user.pk})
    if user.has_team:
        event, series = OuterRef(f"{path}id"), OuterRef(f"{path}series_id")
        members = _members(user, right).filter(Q(event=event) | Q(series=series))
        own |= Q(Exists(members))
    return own if key is None or key.events is None else own & Q(**{f"{path}id__in": key.events})


def own_series(user: Viewer) -> Q | None:
    """As `own_events`, for series. A key that is restricted to some events has none."""
    key = key_of(user)
    if user.pk is None or (key is not None and not (key.sees_own and key.events is None)):
        return None
    own = Q(organizer_id=user.pk)
    if user.has_team:
        own |= Q(id__in=_members(user).filter(series__isnull=False).values("series"))
    return own


def listed_events(user: Viewer, role: str | None = None, *, right: Right | None = None) -> Q | None:
    """As `own_events`, for a list of them, which is read from indexes of members.

    With `role` those on which the account has that role.
    """
    key = key_of(user)
    if user.pk is None or (key is not None and not key.sees_own):
        return None
    own = Q(organizer_id=user.pk)
    if role is not None and role != Role.OWNER:
        members = TeamMember.objects.active_of(user).filter(role=role) if user.has_team else None
        if members is None:
            return None
        events = members.filter(event__isnull=False).values("event")
        series = members.filter(series__isnull=False).values("series")
        own = ~own & (Q(id__in=events) | Q(series_id__in=series))
    elif role is None and user.has_team:
        roles = list(Role.values) if right is None else roles_with(right)
        parameters = [user.pk, user.pk, roles, user.pk, roles]
        own = Q(AnyOf(F("id"), RawSQL(_OWN_IDS, parameters)))  # noqa: S611  # nosec  # constant
    return own if key is None or key.events is None else own & Q(id__in=key.events)


def _members(user: Viewer, right: Right | None = None) -> Any:
    members = TeamMember.objects.active_of(user)
    return members if right is None else members.filter(role__in=roles_with(right))

"""Pages of the log, as one account or key may see it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core import signing
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Max, Q, QuerySet

from config.errors import CursorExpired, InvalidCursor
from events.models import Event, Series, listed_events, own_series
from events.models.rights import Viewer

from ..models import Change, ChangeLog
from .log import sequence_changes

_SIGNER = signing.Signer(salt="changes")

# One index scan for each event or series, so the size of the log does not matter. The state and the
# end of the log are read by the same statement, and so in the same snapshot.
_PAGE = """
    WITH log AS (
        SELECT era, expired_to, (SELECT max(position) FROM registrations_change) AS latest
        FROM registrations_changelog WHERE id = 1
    ), page AS (
        SELECT change.* FROM ({events}) AS own (id) CROSS JOIN LATERAL (
            SELECT * FROM registrations_change
            WHERE event_id = own.id AND position > %(after)s AND {is_wanted}
            ORDER BY position LIMIT %(limit)s
        ) AS change
        UNION ALL
        SELECT change.* FROM ({series}) AS own (id) CROSS JOIN LATERAL (
            SELECT * FROM registrations_change
            WHERE series_id = own.id AND position > %(after)s AND {is_wanted}
            ORDER BY position LIMIT %(limit)s
        ) AS change
    )
    SELECT log.era, log.expired_to, coalesce(log.latest, log.expired_to), {columns}
    FROM log LEFT JOIN (SELECT * FROM page ORDER BY position LIMIT %(limit)s) AS page ON true
    ORDER BY page.position
"""

_COLUMNS = tuple(field.column for field in Change._meta.concrete_fields)


@dataclass(frozen=True)
class Position:
    """The changes up to `after` were read. An era of None is the present one."""

    after: int
    era: UUID | None = None

    def encode(self, account_id: int) -> str:
        return _SIGNER.sign_object([account_id, self.era and str(self.era), self.after])

    @classmethod
    def decode(cls, text: str, account_id: int) -> "Position":
        """Raises `InvalidCursor`, also for the cursor of another account."""
        try:
            owner, era, after = _SIGNER.unsign_object(text)
        except (signing.BadSignature, ValueError) as error:
            raise InvalidCursor(_INVALID) from error
        if owner != account_id:
            raise InvalidCursor(_INVALID)
        return cls(after, era and UUID(era))


_INVALID = "Take cursors from next_cursor only, and use them with the account that received them."

START = Position(0)


@dataclass(frozen=True)
class ChangePage:
    changes: list[Change]
    next: Position
    has_more: bool


def read_changes(
    user: Viewer,
    position: Position | None,
    *,
    size: int,
    event_ids: Collection[int] | None = None,
    types: Collection[str] | None = None,
) -> ChangePage:
    """The next `size` changes of the events and series on which the caller has a role.

    A position of None is the end of the log. `event_ids` and `types` select some changes. Moves the
    committed changes into the log before. Raises `CursorExpired`.
    """
    sequence_changes()
    with connection.cursor() as cursor:
        after = position.after if position else 2**62
        sql, parameters = _query(user, after, size + 1, event_ids, types)
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    if not rows:  # nothing has ever changed, or the first change is being moved into the log
        return ChangePage([], position or START, has_more=False)
    era, expired_to, latest = rows[0][:3]
    if position is not None and position.era is not None:
        _check_is_stored(position, era, expired_to, latest)
    changes = [Change(*row[3:]) for row in rows if row[3] is not None]
    has_more = len(changes) > size
    end = changes[size - 1].position if has_more else latest
    return ChangePage(changes[:size], Position(end, era), has_more)


def require_stored(position: Position) -> None:
    """Raises `CursorExpired` unless the log has every change after the position."""
    sequence_changes()
    log = ChangeLog.objects.filter(pk=1).first()
    if log is not None and position.era is not None:
        latest = Change.objects.aggregate(latest=Max("position"))["latest"]
        _check_is_stored(position, log.era, log.expired_to, latest or log.expired_to)


def _check_is_stored(position: Position, era: UUID, expired_to: int, latest: int) -> None:
    if position.era != era or not expired_to <= position.after <= latest:
        raise CursorExpired


def _query(
    user: Viewer,
    after: int,
    limit: int,
    event_ids: Collection[int] | None,
    types: Collection[str] | None,
) -> tuple[str, dict[str, Any]]:
    own = listed_events(user)
    events = Event.objects.filter(own) if own is not None else Event.objects.none()
    of_series = own_series(user)
    series = Series.objects.filter(of_series) if of_series is not None else Series.objects.none()
    if event_ids is not None:
        events, series = events.filter(pk__in=event_ids), series.none()
    parameters: dict[str, Any] = {
        "after": after,
        "limit": limit,
        "types": None if types is None else list(types),
    }
    sql = _PAGE.format(
        events=_ids(events, "events", parameters),
        series=_ids(series, "series", parameters),
        is_wanted="true" if types is None else "type = ANY(%(types)s)",
        columns=", ".join(f"page.{column}" for column in _COLUMNS),
    )
    return sql, parameters


def _ids(rows: QuerySet[Any], name: str, parameters: dict[str, Any]) -> str:
    """The SQL of the ids of `rows`. Its values are added to `parameters`."""
    try:
        sql, values = rows.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return "SELECT NULL::bigint AS id WHERE false"
    names = [f"{name}_{number}" for number in range(len(values))]
    parameters |= dict(zip(names, values, strict=True))
    return sql % tuple(f"%({each})s" for each in names)


def own_event_count(user: Viewer, event_ids: Collection[int]) -> int:
    """How many of the events, deleted ones too, the caller has a role on."""
    own = listed_events(user)
    return Event.objects.filter(own or Q(pk=None), pk__in=event_ids).count()

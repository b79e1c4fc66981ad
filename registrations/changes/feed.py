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

# The next changes of the whole log come first. They suffice at the end of the log, and for a caller
# with much of it. Else there is one index scan for each event or series, so the size of the log
# does not matter. A scan for the first change of each comes before, since only those with the
# earliest can be on the page: else a page of a caller with many events reads a page of each. The
# state and the end of the log are read by the same statement, and so in the same snapshot.
_PAGE = """
    WITH log AS (
        SELECT era, expired_to, (SELECT max(position) FROM registrations_change) AS latest
        FROM registrations_changelog WHERE id = 1
    ), near AS MATERIALIZED (
        SELECT * FROM registrations_change
        WHERE position > %(after)s AND position <= %(near)s
            AND (event_id IN ({own_events}) OR series_id IN ({own_series}))
        ORDER BY position LIMIT %(limit)s
    ), near_suffices AS MATERIALIZED (
        SELECT (SELECT count(*) FROM near) = %(limit)s OR (SELECT latest FROM log) <= %(near)s
    ), {of_events}, {of_series}, examined AS MATERIALIZED (
        SELECT * FROM (
            SELECT * FROM near WHERE (TABLE near_suffices)
            UNION ALL SELECT * FROM of_events WHERE (TABLE near_suffices) IS NOT TRUE
            UNION ALL SELECT * FROM of_series WHERE (TABLE near_suffices) IS NOT TRUE
        ) AS change
        ORDER BY position LIMIT %(limit)s
    )
    SELECT
        log.era, log.expired_to, coalesce(log.latest, log.expired_to), until.position, {columns}
    FROM log
    LEFT JOIN (
        SELECT position FROM examined ORDER BY position OFFSET %(limit)s - 1
    ) AS until ON true
    LEFT JOIN (
        SELECT * FROM examined WHERE {is_wanted} ORDER BY position LIMIT %(size)s
    ) AS page ON true
    ORDER BY page.position
"""
_OF_EACH = """
    first_of_{kind} AS MATERIALIZED (
        SELECT own.id, change.position FROM ({ids}) AS own (id) CROSS JOIN LATERAL (
            SELECT position FROM registrations_change
            WHERE {kind}_id = own.id AND position > %(after)s
            ORDER BY position LIMIT 1
        ) AS change
        ORDER BY change.position LIMIT %(limit)s
    ), {name} AS (
        SELECT change.* FROM first_of_{kind} AS own CROSS JOIN LATERAL (
            SELECT * FROM registrations_change
            WHERE {kind}_id = own.id AND position > %(after)s AND position <= (
                SELECT CASE WHEN count(*) = %(limit)s THEN max(position) ELSE {end} END
                FROM first_of_{kind}
            )
            ORDER BY position LIMIT %(limit)s
        ) AS change
    )
"""
_END = 2**62
_NEAR = 10  # times as many changes of all as are examined of the caller
# A page of some types examines at least so many changes, and not more than those, even if none is
# of the types. Else a page of a rare type reads all changes of the caller.
EXAMINED = 1000

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
    committed changes into the log before. A page of some types may have fewer changes than `size`,
    and be followed by others. Raises `CursorExpired`.
    """
    sequence_changes()
    with connection.cursor() as cursor:
        after = position.after if position else _END
        sql, parameters = _query(user, after, size, event_ids, types)
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    if not rows:  # nothing has ever changed, or the first change is being moved into the log
        return ChangePage([], position or START, has_more=False)
    era, expired_to, latest, examined_to = rows[0][:4]
    if position is not None and position.era is not None:
        _check_is_stored(position, era, expired_to, latest)
    changes = [Change(*row[4:]) for row in rows if row[4] is not None]
    if len(changes) > size:
        return ChangePage(changes[:size], Position(changes[size - 1].position, era), has_more=True)
    if examined_to is not None:
        return ChangePage(changes, Position(examined_to, era), has_more=True)
    return ChangePage(changes, Position(latest, era), has_more=False)


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
    size: int,
    event_ids: Collection[int] | None,
    types: Collection[str] | None,
) -> tuple[str, dict[str, Any]]:
    own = listed_events(user)
    events = Event.objects.filter(own) if own is not None else Event.objects.none()
    of_series = own_series(user)
    series = Series.objects.filter(of_series) if of_series is not None else Series.objects.none()
    if event_ids is not None:
        events, series = events.filter(pk__in=event_ids), series.none()
    limit = size + 1 if types is None else max(size + 1, EXAMINED)
    parameters: dict[str, Any] = {
        "after": after,
        "near": after + _NEAR * limit,
        "size": size + 1,
        "limit": limit,
        "types": None if types is None else list(types),
    }
    ids_of_events = _ids(events, "of_events", parameters)
    ids_of_series = _ids(series, "of_series", parameters)
    sql = _PAGE.format(
        own_events=ids_of_events,
        own_series=ids_of_series,
        of_events=_OF_EACH.format(kind="event", name="of_events", ids=ids_of_events, end=_END),
        of_series=_OF_EACH.format(kind="series", name="of_series", ids=ids_of_series, end=_END),
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

"""What happened at one event, as people for each quarter of an hour.

Offsets of zones are whole quarters. New registrations are read from the index of registrations
alone, and all other changes from the ledger's index of changes alone. Reading a hundred thousand
rows would take five times as long.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from events.models import Event

from ..models import LedgerEntry

Kind = LedgerEntry.Kind

SLOT = timedelta(minutes=15)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A slot is the number of a quarter of an hour since 1970. Python reads numbers ten times as quickly
# as instants.
_SLOT_NUMBER = "extract(epoch FROM slot)::bigint / 900"

_REGISTERED = f"""
    SELECT {_SLOT_NUMBER}, people FROM (
        SELECT date_bin('15 minutes', registered_at, 'epoch') AS slot, count(*) AS people
        FROM registrations_registration WHERE event_id = %(event_id)s GROUP BY 1
    ) AS counted
"""  # noqa: S608  # nosec  # composed of constants only, as below

_CHANGES = f"""
    SELECT kind, {_SLOT_NUMBER}, people FROM (
        SELECT kind, date_bin('15 minutes', at, 'epoch') AS slot, count(*) AS people
        FROM registrations_ledgerentry
        WHERE event_id = %(event_id)s AND kind <> 'registered' GROUP BY 1, 2
    ) AS counted
"""  # noqa: S608  # nosec

# A cancelled registration keeps the times of its confirmation and its check-in.
_CANCELLED = f"""
    SELECT {_SLOT_NUMBER}, unseated, absent FROM (
        SELECT date_bin('15 minutes', entry.at, 'epoch') AS slot,
            coalesce(sum(entry.people) FILTER (WHERE row.confirmed_at IS NULL), 0) AS unseated,
            coalesce(
                sum(row.party_size - row.absent_count) FILTER (
                    WHERE row.checked_in_at IS NOT NULL
                ), 0
            ) AS absent
        FROM registrations_ledgerentry AS entry
        JOIN registrations_registration AS row ON row.id = entry.registration_id
        WHERE entry.event_id = %(event_id)s AND entry.kind = 'cancelled' GROUP BY 1
    ) AS counted
"""  # noqa: S608  # nosec

# The people beyond one for each entry. An index has the few entries of parties.
_PARTIES = f"""
    SELECT kind, {_SLOT_NUMBER}, people FROM (
        SELECT kind, date_bin('15 minutes', at, 'epoch') AS slot, sum(people - 1) AS people
        FROM registrations_ledgerentry
        WHERE event_id = %(event_id)s
            AND (people > 1 OR kind IN ('party_grown', 'party_shrunk')) GROUP BY 1, 2
    ) AS counted
"""  # noqa: S608  # nosec

# Parties that became smaller while they waited.
_SHRUNK_WAITING = f"""
    SELECT {_SLOT_NUMBER}, people FROM (
        SELECT date_bin('15 minutes', entry.at, 'epoch') AS slot, sum(entry.people) AS people
        FROM registrations_ledgerentry AS entry
        JOIN registrations_registration AS row ON row.id = entry.registration_id
        WHERE entry.event_id = %(event_id)s AND entry.kind = 'party_shrunk'
            AND row.queue_number IS NOT NULL
            AND (row.confirmed_at IS NULL OR entry.at <= row.confirmed_at) GROUP BY 1
    ) AS counted
"""  # noqa: S608  # nosec

# Parties whose size changed while they waited for a decision, so that their seats did not change.
_RESIZED_PENDING = f"""
    SELECT {_SLOT_NUMBER}, people FROM (
        SELECT date_bin('15 minutes', entry.at, 'epoch') AS slot,
            sum(CASE entry.kind WHEN 'party_grown' THEN -entry.people ELSE entry.people END)
                AS people
        FROM registrations_ledgerentry AS entry
        JOIN registrations_registration AS row ON row.id = entry.registration_id
        WHERE entry.event_id = %(event_id)s
            AND (
                entry.kind = 'party_grown'
                OR entry.kind = 'party_shrunk' AND row.queue_number IS NULL
            )
            AND EXISTS (
                SELECT FROM registrations_ledgerentry AS made
                WHERE made.registration_id = row.id AND made.kind = 'pending'
            )
            AND NOT EXISTS (
                SELECT FROM registrations_ledgerentry AS decided
                WHERE decided.registration_id = row.id AND decided.id < entry.id
                    AND decided.kind IN ('approved', 'approved_queued')
            )
        GROUP BY 1
    ) AS counted
"""  # noqa: S608  # nosec


@dataclass(frozen=True, slots=True)
class Changes:
    """People by the slot of the change.

    `registered` has those whose party grew, and the cancelled ones those whose party shrank.
    `unseated` left the waitlist by either, `absent` were checked in and cancelled then.
    """

    registrations: int
    registered: Counter[int]
    by_kind: dict[str, Counter[int]]
    unseated: Counter[int]
    absent: Counter[int]

    def of(self, kind: Kind) -> Counter[int]:
        return self.by_kind.get(kind.value, Counter())

    def slots(self) -> Iterable[int]:
        yield from self.registered
        for counts in self.by_kind.values():
            yield from counts


def read_changes(cursor: Any, event: Event, waitlisted: int) -> Changes:
    registered = Counter(dict(read_rows(cursor, _REGISTERED, event)))
    by_kind: dict[str, Counter[int]] = {}
    for kind, slot, count in read_rows(cursor, _CHANGES, event):
        by_kind.setdefault(kind, Counter())[slot] = count
    registrations = registered.total()
    shrunk = _count_parties(cursor, event, registered, by_kind)
    changes = Changes(registrations, registered, by_kind, Counter(), Counter())
    if _may_be_special(changes, waitlisted):
        for slot, unseated, absent in read_rows(cursor, _CANCELLED, event):
            changes.unseated[slot] = unseated
            changes.absent[slot] = absent
    if shrunk:
        changes.unseated.update(dict(read_rows(cursor, _SHRUNK_WAITING, event)))
    if changes.of(Kind.PENDING):
        changes.unseated.update(dict(read_rows(cursor, _RESIZED_PENDING, event)))
    return changes


def _count_parties(
    cursor: Any, event: Event, registered: Counter[int], by_kind: dict[str, Counter[int]]
) -> bool:
    """Counts people in place of entries. Returns whether a party shrank."""
    for kind, slot, more in read_rows(cursor, _PARTIES, event):
        by_kind.setdefault(kind, Counter())[slot] += int(more)
        if kind in {Kind.REGISTERED, Kind.QUEUED, Kind.PENDING}:
            registered[slot] += int(more)
    by_kind.pop(Kind.REGISTERED.value, None)
    registered.update(by_kind.pop(Kind.PARTY_GROWN.value, Counter()))
    shrunk = by_kind.pop(Kind.PARTY_SHRUNK.value, Counter())
    if shrunk:
        by_kind.setdefault(Kind.CANCELLED.value, Counter()).update(shrunk)
    return bool(shrunk)


def _may_be_special(changes: Changes, waitlisted: int) -> bool:
    """Whether a cancelled registration may have been waitlisted, pending or checked in.

    The rows of cancelled registrations are only read in this case. A clock at the door may be
    ahead, so a check-in may be in the slot after that of its cancellation.
    """
    cancelled, checked_in = changes.of(Kind.CANCELLED), changes.of(Kind.CHECKED_IN)
    queued = changes.of(Kind.QUEUED).total() + changes.of(Kind.APPROVED_TO_QUEUE).total()
    left = queued - changes.of(Kind.PROMOTED).total() > waitlisted or bool(changes.of(Kind.PENDING))
    undone = bool(cancelled and checked_in) and max(cancelled) + 1 >= min(checked_in)
    return bool(cancelled) and (left or undone)


def beginning(slot: int) -> datetime:
    return EPOCH + slot * SLOT


def read_rows(cursor: Any, sql: str, event: Event, **parameters: Any) -> list[tuple[Any, ...]]:
    cursor.execute(sql, {"event_id": event.pk, **parameters})
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows

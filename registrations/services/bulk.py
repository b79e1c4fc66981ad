"""Imports attendees in bulk, in the order of a file."""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from config.errors import FieldError, NotFound
from events.errors import EventCancelled, EventNotPublished, EventStarted
from events.models import Event
from events.services import lock_event

from ..importing import Candidate, InvalidRow
from ..models import LedgerEntry, Registration, new_ticket_code
from .mail_limits import count_mails

OUTCOMES = ("confirmed", "waitlisted", "already_registered", "cancelled", "refused")

# Rows are registered in the order of the file, one microsecond apart. A row with the confirmed
# address of an account becomes a registration of that account.
_INSERT = """
    WITH candidate AS (
        SELECT *, %(now)s - (%(number)s - position) * interval '1 microsecond' AS at
        FROM unnest(
            %(ids)s::uuid[], %(names)s::text[], %(emails)s::text[], %(queue_numbers)s::bigint[],
            %(ticket_codes)s::text[]
        ) WITH ORDINALITY AS row (id, name, email, queue_number, ticket_code, position)
    ), inserted AS (
        INSERT INTO registrations_registration (
            id, event_id, user_id, name, email, status, queue_number, ticket_code,
            registered_at, confirmed_at
        )
        SELECT
            candidate.id, %(event_id)s, account.id, candidate.name, candidate.email,
            CASE WHEN queue_number IS NULL THEN 'confirmed' ELSE 'waitlisted' END,
            queue_number, ticket_code, at, CASE WHEN queue_number IS NULL THEN at END
        FROM candidate LEFT JOIN accounts_user AS account
            ON account.email = candidate.email
            AND account.email_verified_at IS NOT NULL AND account.is_active
        RETURNING id, user_id, email, status, registered_at
    ), notified AS (
        INSERT INTO accounts_notification (
            kind, key, user_id, email, event_id, registration_id, created_at, due_at, attempt_at
        )
        SELECT
            'registration_' || status, 'registration_' || status || ':' || id, user_id, email,
            %(event_id)s, id, %(now)s, %(now)s, %(now)s
        FROM inserted WHERE %(notify)s
    )
    INSERT INTO registrations_ledgerentry (event_id, registration_id, kind, at, actor_id, reason)
    SELECT
        %(event_id)s, id, CASE WHEN queue_number IS NULL THEN 'registered' ELSE 'queued' END,
        at, %(actor_id)s, %(reason)s
    FROM candidate ORDER BY position
"""


@dataclass(slots=True)
class RowResult:
    """The outcome of a row, or its expected outcome in a dry run: one of `OUTCOMES`.

    `registration_id` is None if no registration was made. `position` is the place in the queue.
    """

    line: int
    name: str
    email: str
    outcome: str
    errors: tuple[FieldError, ...] = ()
    registration_id: uuid.UUID | None = None
    position: int | None = None
    queue_number: int | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """`saved` tells whether registrations were made."""

    saved: bool
    rows: list[RowResult]

    def count(self) -> dict[str, int]:
        """The number of rows with each outcome."""
        counts = Counter(row.outcome for row in self.rows)
        return {outcome: counts[outcome] for outcome in OUTCOMES}

    def errors(self) -> list[FieldError]:
        return [error for row in self.rows for error in row.errors]


@transaction.atomic
def import_attendees(
    event_id: int,
    rows: Sequence[Candidate | InvalidRow],
    *,
    by: User,
    partial: bool = False,
    dry_run: bool = False,
    notify: bool = True,
) -> ImportReport:
    """Gives each row a seat or a place in the queue, as if they registered in this order.

    People who are registered keep their place, and rows with a cancelled status get none. A row
    that is invalid, or that gets neither a seat nor a place in the queue, is refused. Then nothing
    is saved, unless `partial` is set. A dry run saves nothing and takes no lock. Rows are accepted
    whether or not registration is open. With `notify` the new attendees get an e-mail.

    Raises `NotFound`, `EventCancelled`, `EventNotPublished`, `EventStarted`, and `RateLimited` for
    too many e-mails.
    """
    event = (
        Event.objects.existing().filter(pk=event_id).first() if dry_run else lock_event(event_id)
    )
    if event is None:  # deleted since the caller read it
        raise NotFound
    now = timezone.now()
    _check_takes_attendees(event, now)
    report = ImportReport(saved=False, rows=list(_row_results(event, rows)))
    new_rows = [row for row in report.rows if row.outcome in {"confirmed", "waitlisted"}]
    if dry_run or not new_rows or (report.errors() and not partial):
        return report
    _save(event, new_rows, by, now, notify=notify)
    if notify:
        count_mails(len(new_rows))
    return ImportReport(saved=True, rows=report.rows)


def _check_takes_attendees(event: Event, now: datetime) -> None:
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    if event.status == Event.Status.DRAFT:
        raise EventNotPublished
    if event.has_started(now):
        raise EventStarted("The event has started; registration is over.")


def _row_results(event: Event, rows: Sequence[Candidate | InvalidRow]) -> Iterator[RowResult]:
    """The outcome of each row, in their order. Caller holds the event lock, except in a dry run."""
    emails = {row.email for row in rows if isinstance(row, Candidate)}
    live = event.registrations.live().filter(email__in=emails)
    registered = set(live.values_list("email", flat=True))
    seats = event.available_seats if event.waitlist_count == 0 else 0  # the waitlist comes first
    queued = 0
    for row in rows:
        if isinstance(row, InvalidRow):
            yield RowResult(row.line, "", row.email, "refused", row.errors)
        elif row.is_cancelled:
            yield RowResult(row.line, row.name, row.email, "cancelled")
        elif row.email in registered:
            yield RowResult(row.line, row.name, row.email, "already_registered")
        elif seats is None or seats > 0:
            seats = None if seats is None else seats - 1
            registered.add(row.email)
            yield RowResult(row.line, row.name, row.email, "confirmed")
        elif event.waitlist_enabled:
            queued += 1
            registered.add(row.email)
            yield RowResult(
                row.line,
                row.name,
                row.email,
                "waitlisted",
                position=event.waitlist_count + queued,
                queue_number=event.last_queue_number + queued,
            )
        else:
            detail = f"All {event.max_capacity} seats are taken."
            error = FieldError(f"line.{row.line}", "event_full", detail)
            yield RowResult(row.line, row.name, row.email, "refused", (error,))


def _save(event: Event, rows: list[RowResult], by: User, now: datetime, *, notify: bool) -> None:
    """Caller holds the event lock."""
    for row in rows:
        row.registration_id = uuid.uuid4()
    is_organizer = by.pk == event.organizer_id
    reason = LedgerEntry.Reason.BY_ORGANIZER if is_organizer else LedgerEntry.Reason.BY_STAFF
    parameters: dict[str, Any] = {
        "event_id": event.pk,
        "actor_id": by.pk,
        "reason": reason.value,
        "now": now,
        "notify": notify,
        "number": len(rows),
        "ids": [row.registration_id for row in rows],
        "names": [row.name for row in rows],
        "emails": [row.email for row in rows],
        "queue_numbers": [row.queue_number for row in rows],
        "ticket_codes": [new_ticket_code() for _ in rows],
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, parameters)
    queued = sum(row.outcome == Registration.Status.WAITLISTED for row in rows)
    Event.objects.filter(pk=event.pk).update(
        registered_count=F("registered_count") + len(rows) - queued,
        waitlist_count=F("waitlist_count") + queued,
        last_queue_number=F("last_queue_number") + queued,
    )

"""Imports attendees in bulk, in the order of a file."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from accounts.audit import key_id
from accounts.models import User
from accounts.models.user import OWNS_ADDRESS
from config.api.request_ids import current_request_id
from config.errors import FieldError, NotFound, ValidationFailed
from events.models import Event, role_on
from events.services import lock_event

from ..errors import PartyTooLarge
from ..forms.answers import Guest
from ..forms.questions import questions_of, taken_options
from ..models import LedgerEntry, new_ticket_code
from .eligibility import (
    Status,
    check_fits_capacity,
    check_is_upcoming,
    check_party_size,
    describe_full,
    placement,
)
from .imported_answers import ImportedAnswers
from .inserts import (
    ENTRY_OF_NEW,
    NOTIFICATION_OF_NEW,
    insert_ledger_entries,
    insert_notifications,
    insert_registrations,
)
from .mail_limits import count_mails
from .option_limits import take_options

OUTCOMES = ("confirmed", "waitlisted", "already_registered", "cancelled", "refused")

# Rows are registered in the order of the file, one microsecond apart. A row with the confirmed
# address of an account becomes a registration of that account. The ledger's ids have the order too.
_INSERT = f"""
    WITH candidate AS (
        SELECT
            row.id, %(event_id)s AS event_id, account.id AS user_id,
            NULL::bigint AS registered_by_id, row.name, row.email, '' AS source, false AS show_name,
            queue_number,
            ticket_code, 0 AS link_version,
            row.party_size, row.guests,
            row.answers,
            %(now)s - (%(number)s - position) * interval '1 microsecond' AS at, position
        FROM unnest(
            %(ids)s::uuid[], %(names)s::text[], %(emails)s::text[], %(queue_numbers)s::bigint[],
            %(ticket_codes)s::text[], %(party_sizes)s::int[], %(answers)s::jsonb[],
            %(guests)s::jsonb[]
        ) WITH ORDINALITY
            AS row
                (id, name, email, queue_number, ticket_code, party_size, answers, guests, position)
        LEFT JOIN (SELECT id, email FROM accounts_user WHERE {OWNS_ADDRESS}) AS account
            ON account.email = row.email
    ), registration AS (
        {insert_registrations("candidate")}
    ), notification AS (
        {insert_notifications("candidate WHERE %(notify)s", kind=NOTIFICATION_OF_NEW)}
    )
    {insert_ledger_entries("candidate ORDER BY position", kind=ENTRY_OF_NEW)}
"""  # noqa: S608  # nosec  # composed of constants only


@dataclass(frozen=True, slots=True)
class Candidate:
    """A valid row; `is_cancelled` is set if its status says that the person does not attend."""

    line: int
    name: str
    email: str
    is_cancelled: bool = False
    party_size: int = 1
    answers: Mapping[str, Any] = field(default_factory=dict)
    guests: Sequence[Guest] = ()


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row with errors. `email` is the text of its cell."""

    line: int
    email: str
    errors: tuple[FieldError, ...]


@dataclass(slots=True)
class RowResult:
    """The outcome of a row, or its expected outcome in a dry run: one of `OUTCOMES`.

    `registration_id` is None if no registration was created. `position` is the place in the queue.
    """

    line: int
    name: str
    email: str
    outcome: str
    errors: tuple[FieldError, ...] = ()
    registration_id: uuid.UUID | None = None
    position: int | None = None
    queue_number: int | None = None
    party_size: int = 1
    answers: dict[str, Any] = field(default_factory=dict)
    guests: list[Guest] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """`saved` is whether registrations were created."""

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

    Registered addresses keep their registration, and rows with a cancelled status get none. A row
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
    check_is_upcoming(event, now)
    report = ImportReport(saved=False, rows=list(_row_results(event, rows)))
    new_rows = [row for row in report.rows if row.outcome in {"confirmed", "waitlisted"}]
    if dry_run or not new_rows or (report.errors() and not partial):
        return report
    _save(event, new_rows, by, now, notify=notify)
    if notify:
        count_mails(len(new_rows))
    return ImportReport(saved=True, rows=report.rows)


def _row_results(event: Event, rows: Sequence[Candidate | InvalidRow]) -> Iterator[RowResult]:
    """The outcome of each row, in their order. The counters of `event` include those before it.

    Caller holds the event lock, except in a dry run.
    """
    emails = {row.email for row in rows if isinstance(row, Candidate)}
    existing = event.registrations.of_address().filter(email__in=emails)
    registered = set(existing.values_list("email", flat=True))
    options = ImportedAnswers(event)
    for row in rows:
        if isinstance(row, InvalidRow):
            yield RowResult(row.line, "", row.email, "refused", row.errors)
        elif row.is_cancelled:
            yield RowResult(row.line, row.name, row.email, "cancelled")
        elif row.email in registered:
            yield RowResult(row.line, row.name, row.email, "already_registered")
        else:
            result = _placed(event, row, options)
            if result.outcome != "refused":
                registered.add(row.email)
            yield result


def _placed(event: Event, row: Candidate, imported: ImportedAnswers) -> RowResult:
    """Gives the row seats or a place in the queue in the counters of `event`."""
    answers, guests, errors = imported.read(row.line, row.answers, row.guests)
    if not errors and (error := _refusal(event, row)) is not None:
        errors = (error,)
    if errors:
        return RowResult(row.line, row.name, row.email, "refused", errors)
    imported.take(answers, guests)
    status = placement(event, row.party_size)
    outcome = str(status.value) if status else "refused"
    result = RowResult(
        row.line,
        row.name,
        row.email,
        outcome,
        party_size=row.party_size,
        answers=answers,
        guests=guests,
    )
    if status == Status.CONFIRMED:
        event.registered_count += row.party_size
    else:
        event.waitlist_count += row.party_size
        event.waitlist_guest_count += row.party_size - 1
        event.last_queue_number += 1
        result.position, result.queue_number = event.queue_length, event.last_queue_number
    return result


def _refusal(event: Event, row: Candidate) -> FieldError | None:
    """Why the party gets neither seats nor a place in the queue."""
    field = f"line.{row.line}"
    try:
        check_party_size(event, row.party_size)
        check_fits_capacity(event, row.party_size)
    except ValidationFailed as refusal:
        [error] = refusal.facts["errors"]
        return FieldError(f"{field}.party_size", error["code"], error["detail"])
    except PartyTooLarge as refusal:
        return FieldError(f"{field}.party_size", "max_value", refusal.message)
    if placement(event, row.party_size) is None:
        return FieldError(field, "event_full", describe_full(event))
    return None


def _save(event: Event, rows: list[RowResult], by: User, now: datetime, *, notify: bool) -> None:
    """Inserts the rows and saves the counters of `event`. Caller holds the event lock."""
    for row in rows:
        row.registration_id = uuid.uuid4()
    is_organizer = role_on(by, event) is not None
    reason = LedgerEntry.Reason.BY_ORGANIZER if is_organizer else LedgerEntry.Reason.BY_STAFF
    parameters: dict[str, Any] = {
        "event_id": event.pk,
        "actor_id": by.pk,
        "key_id": key_id(),
        "reason": reason.value,
        "now": now,
        "notify": notify,
        "request_id": current_request_id(),
        "number": len(rows),
        "ids": [row.registration_id for row in rows],
        "names": [row.name for row in rows],
        "emails": [row.email for row in rows],
        "queue_numbers": [row.queue_number for row in rows],
        "party_sizes": [row.party_size for row in rows],
        "answers": [json.dumps(row.answers) for row in rows],
        "guests": [json.dumps(row.guests) for row in rows],
        "ticket_codes": [new_ticket_code() for _ in rows],
    }
    questions = questions_of(event.form)
    chosen = [
        option for row in rows for option in taken_options(questions, row.answers, row.guests)
    ]
    take_options(event.pk, questions, chosen)
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, parameters)
    counters = ("registered_count", "waitlist_count", "waitlist_guest_count", "last_queue_number")
    event.save(update_fields=counters)

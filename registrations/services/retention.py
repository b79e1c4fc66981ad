"""Erasure of old personal data. Counts of attendees do not change."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from accounts.audit import erase_old_values, old_values
from accounts.models import Notification, Session

from ..models import LedgerEntry, Registration
from .answer_tallies import count_answers

ROWS_OF_A_BATCH = 1000

_ENDED_QUESTIONS = """
    SELECT event.id, array_agg(question ->> 'key')
    FROM events_event AS event JOIN events_form AS form ON form.id = event.form_id
    CROSS JOIN jsonb_array_elements(form.questions) AS question
    WHERE event.end_time + (question ->> 'retention_days')::int * interval '1 day' <= %s
    GROUP BY event.id ORDER BY event.id
"""

_FORGET_ANSWERS = """
    WITH due AS (
        SELECT id FROM registrations_registration
        WHERE event_id = %(event_id)s AND (
            answers ?| %(keys)s::text[] OR EXISTS (
                SELECT FROM jsonb_array_elements(guests) AS guest
                WHERE guest -> 'answers' ?| %(keys)s::text[]
            )
        )
        ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE
    )
    UPDATE registrations_registration AS registration SET
        answers = answers - %(keys)s::text[],
        guests = (
            SELECT coalesce(jsonb_agg(
                CASE
                    WHEN guest ? 'answers' THEN jsonb_set(
                        guest, '{answers}', (guest -> 'answers') - %(keys)s::text[]
                    )
                    ELSE guest
                END ORDER BY number
            ), '[]')
            FROM jsonb_array_elements(guests) WITH ORDINALITY AS person (guest, number)
        )
    FROM due WHERE registration.id = due.id
    RETURNING registration.id
"""

# Of the system, since no account erases them.
_RECORD_ERASURE = """
    SELECT record_change(
        'registration.erased', %(event_id)s, NULL, 'registration', id::text, NULL
    )
    FROM unnest(%(ids)s::uuid[]) AS id
"""


def count_old_data(before: datetime) -> dict[str, int]:
    """The number of rows that `forget_old_data` would change, by section."""
    return {
        "registrations": _registrations(before).count(),
        "notifications": Notification.objects.filter(created_at__lt=before).count(),
        "sessions": _sessions(before).count(),
        "records of changes": old_values(before),
    }


def forget_old_data(before: datetime) -> dict[str, int]:
    """Erases people from events that ended before that time, and records older than it.

    Registrations lose name, address and account. Their status and times stay, and so does every
    count. Notifications and sessions are deleted, and audit records lose their values. Accounts are
    not touched. Each batch is a transaction, so the work may be interrupted and started again.
    Answers are counted at the end, so that no uncounted copy of the erased ones stays.
    Returns the number of rows by section.
    """
    forgotten = 0
    for ids in _batches(_registrations(before)):
        with transaction.atomic():
            rows = Registration.objects.filter(pk__in=ids)
            list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk"))
            LedgerEntry.objects.filter(registration__in=ids, actor__isnull=False).update(actor=None)
            rows.erase_people()
            forgotten += rows.update(user=None, registered_by=None, checked_in_by=None)
    count_answers()
    return {
        "registrations": forgotten,
        "notifications": _delete(Notification.objects.filter(created_at__lt=before)),
        "sessions": _delete(_sessions(before)),
        "records of changes": erase_old_values(before),
    }


def forget_old_answers(now: datetime) -> int:
    """Erases the answers to questions whose `retention_days` after the end of an event are over.

    Guests lose theirs too. An erasure is a change in the log. Each batch is a transaction. Then the
    answers are counted, as by `forget_old_data`. Returns the number of registrations.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ENDED_QUESTIONS, [now])
        due = cursor.fetchall()
    forgotten = sum(_forget_answers(event_id, keys) for event_id, keys in due)
    count_answers()
    return forgotten


def _forget_answers(event_id: int, keys: list[str]) -> int:
    forgotten = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            parameters: dict[str, Any] = {
                "event_id": event_id,
                "keys": keys,
                "limit": ROWS_OF_A_BATCH,
            }
            cursor.execute("SELECT set_config('changes.are_recorded', 'off', true)")
            cursor.execute(_FORGET_ANSWERS, parameters)
            ids = [pk for (pk,) in cursor.fetchall()]
            cursor.execute("SELECT set_config('changes.are_recorded', '', true)")
            cursor.execute(_RECORD_ERASURE, {"event_id": event_id, "ids": ids})
        forgotten += len(ids)
        if len(ids) < ROWS_OF_A_BATCH:
            return forgotten


def _registrations(before: datetime) -> QuerySet[Registration]:
    return Registration.objects.identified().filter(event__end_time__lt=before)


def _sessions(before: datetime) -> QuerySet[Session]:
    return Session.objects.filter(Q(expires_at__lt=before) | Q(ended_at__lt=before))


def _batches(rows: QuerySet[Registration]) -> Iterator[list[UUID]]:
    """Ids in batches. The caller changes each batch so that `rows` no longer matches it."""
    while ids := list(rows.values_list("pk", flat=True)[:ROWS_OF_A_BATCH]):
        yield ids


def _delete(rows: QuerySet[Any]) -> int:
    deleted = 0
    while ids := list(rows.values_list("pk", flat=True)[:ROWS_OF_A_BATCH]):
        deleted += rows.model._base_manager.filter(pk__in=ids).delete()[0]
    return deleted

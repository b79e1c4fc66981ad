"""Erasure of old personal data. Counts of attendees do not change."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.audit import erase_old_values, old_values
from accounts.models import Notification, Session

from ..models import LedgerEntry, Registration

ROWS_OF_A_BATCH = 1000


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
    return {
        "registrations": forgotten,
        "notifications": _delete(Notification.objects.filter(created_at__lt=before)),
        "sessions": _delete(_sessions(before)),
        "records of changes": erase_old_values(before),
    }


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

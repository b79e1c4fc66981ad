"""The inbox of an account, and the deletion of notifications."""

import logging
from collections.abc import Collection, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.lookups import IsNull
from django.utils import timezone

from ..models import Notification, User
from .kinds import find_kind, shown_kinds
from .rendering import load_facts, render_notice

logger = logging.getLogger(__name__)


def inbox_of(user: User) -> QuerySet[Notification]:
    """The notifications that are due and shown to the user, with `is_unread`."""
    return (
        Notification.objects.in_inbox_of(user, shown_kinds())
        .annotate(is_unread=IsNull(F("read_at"), True))
        .select_related("user")
    )


def unread_notifications(user_id: int) -> QuerySet[Notification]:
    """Those of `inbox_of` that are not read."""
    return Notification.objects.in_inbox_of(user_id, shown_kinds()).unread()


def mark_read(user: User, ids: Sequence[int] | None) -> int:
    """Mark a user's notifications as read, all of them if `ids` is None.

    Ids that are not in the user's inbox are ignored. Returns the number of unread notifications.
    """
    unread = unread_notifications(user.pk)
    if ids is not None:
        unread = unread.filter(pk__in=ids)
    unread.update(read_at=timezone.now())
    return unread_notifications(user.pk).count()


def delete_notifications(user: User) -> None:
    """Delete all notifications of a user, delivered or not."""
    Notification.objects.filter(user=user).delete()


def delete_notifications_to(
    *, confirmed: Collection[str], unconfirmed: Collection[str] = ()
) -> None:
    """Delete all notifications to confirmed addresses of a person.

    An unconfirmed address may be another person's, so only mails about accounts are deleted.
    """
    about_accounts = Q(email__in=unconfirmed, user=None, event_id=None)
    Notification.objects.filter(Q(email__in=confirmed) | about_accounts).delete()


def delete_notifications_about(registration_ids: Collection[UUID]) -> None:
    """Delete the notifications about these registrations, of all recipients."""
    Notification.objects.filter(registration_id__in=registration_ids).delete()


@transaction.atomic
def deliver_to_inbox_only(event_ids: Collection[int]) -> None:
    """Deliver the notifications about these events without mails. For sample data."""
    pending = Notification.objects.filter(
        event_id__in=event_ids, state=Notification.State.PENDING
    ).select_related("user")
    rows = rendered_notifications(list(pending.filter(user__isnull=False)))
    for row in rows:
        row.state = Notification.State.SHOWN
    Notification.objects.bulk_update(rows, ["state", "subject", "body"])
    pending.delete()


def rendered_notifications(rows: Sequence[Notification]) -> list[Notification]:
    """The rows that still apply, each with subject and body.

    Rows that the mailer has delivered have the text of that time. Other rows are rendered here, so
    that the inbox shows a notification as soon as its transaction has committed.
    """
    facts = load_facts(row for row in rows if not row.subject)
    for row in rows:
        kind = find_kind(row.kind)
        if not row.subject and kind is not None and row.pk in facts:
            try:
                row.subject, row.body = render_notice(kind, row, facts[row.pk])
            except Exception:  # the mailer parks the row; the inbox shows the others
                logger.exception("notification %s cannot be rendered", row.pk)
    return [row for row in rows if row.subject]

"""What is shown in the app to who has an account."""

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
    """What a user may read by now, with `is_unread`."""
    return (
        Notification.objects.in_inbox_of(user, shown_kinds())
        .annotate(is_unread=IsNull(F("read_at"), True))
        .select_related("user")
    )


def unread_count(user: User) -> int:
    return Notification.objects.in_inbox_of(user, shown_kinds()).unread().count()


def mark_read(user: User, ids: Sequence[int] | None) -> int:
    """Mark a user's notifications as read, None for all of them; returns how many are unread.

    Ids that are not in this user's inbox mark nothing.
    """
    unread = Notification.objects.in_inbox_of(user, shown_kinds()).unread()
    if ids is not None:
        unread = unread.filter(pk__in=ids)
    unread.update(read_at=timezone.now())
    return unread_count(user)


def forget_notifications(user: User) -> None:
    """All that a user was told, and what they have not been told yet."""
    Notification.objects.filter(user=user).delete()


def forget_mails_to(*, confirmed: Collection[str], claimed: Collection[str] = ()) -> None:
    """All that confirmed addresses were told, whoever has them.

    Claimed ones may be somebody else's, who waits for mails there: of those only mails about
    accounts.
    """
    of_accounts = Q(email__in=claimed, user=None, event_id=None)
    Notification.objects.filter(Q(email__in=confirmed) | of_accounts).delete()


def forget_mails_about(registration_ids: Collection[UUID]) -> None:
    """All that anybody was told of these registrations."""
    Notification.objects.filter(registration_id__in=registration_ids).delete()


@transaction.atomic
def keep_in_inbox(event_ids: Collection[int]) -> None:
    """Mail nothing of what is told of these events: made-up ones, with made-up people."""
    pending = Notification.objects.filter(
        event_id__in=event_ids, state=Notification.State.PENDING
    ).select_related("user")
    told = with_words(list(pending.filter(user__isnull=False)))
    for row in told:
        row.state = Notification.State.SHOWN
    Notification.objects.bulk_update(told, ["state", "subject", "body"])
    pending.delete()


def with_words(rows: Sequence[Notification]) -> list[Notification]:
    """The rows, each with subject and body; without those that turn out to hold no longer.

    What the mailer has been at keeps the words it was told in. What it has not is put into words
    here, so that a notification is in the inbox as soon as its transaction has committed.
    """
    facts = load_facts(row for row in rows if not row.subject)
    for row in rows:
        kind = find_kind(row.kind)
        if not row.subject and kind is not None and row.pk in facts:
            try:
                row.subject, row.body = render_notice(kind, row, facts[row.pk])
            except Exception:  # the mailer will park it; the others can be read meanwhile
                logger.exception("notification %s cannot be put into words", row.pk)
    return [row for row in rows if row.subject]

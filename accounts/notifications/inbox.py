"""What is shown in the app to who has an account."""

from collections.abc import Sequence

from django.db.models import F, QuerySet
from django.db.models.lookups import IsNull
from django.utils import timezone

from ..models import Notification, User
from .kinds import find_kind, shown_kinds
from .rendering import load_facts, render_notice


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


def forget_mails_to(*addresses: str) -> None:
    """All that addresses were told, whoever has them."""
    Notification.objects.filter(email__in=addresses).delete()


def with_words(rows: Sequence[Notification]) -> list[Notification]:
    """The rows, each with subject and body; without those that turn out to hold no longer.

    What the mailer has been at keeps the words it was told in. What it has not is put into words
    here, so that a notification is in the inbox as soon as its transaction has committed.
    """
    facts = load_facts(row for row in rows if not row.subject)
    told = []
    for row in rows:
        kind = find_kind(row.kind)
        if not row.subject and kind is not None and row.pk in facts:
            row.subject, row.body = render_notice(kind, row, facts[row.pk])
        if row.subject:
            told.append(row)
    return told

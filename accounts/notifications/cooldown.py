"""Mails that anyone can request, at most one for each mailbox within `COOLDOWN`.

A request within the cooldown of an earlier mail adds no mail, and gets the same response. So
requests cannot fill a mailbox. They cannot suppress a mail of its owner either, since the earlier
mail contains the same link.
"""

from datetime import timedelta
from uuid import UUID, uuid4

from django.db.models import F, TextField, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone
from django.utils.crypto import salted_hmac

from config.api.text.email_addresses import mailbox_of

from ..models import Notification, User
from .enqueueing import notify

COOLDOWN = timedelta(minutes=15)


def notify_with_cooldown(
    kind: str,
    *,
    email: str,
    about: str = "",
    user: User | None = None,
    event_id: int | None = None,
    registration_id: UUID | None = None,
) -> None:
    """Enqueue a mail of this kind, unless the mailbox has got one within `COOLDOWN`.

    `about` names an account or registration, for kinds of which a mailbox may get mails about
    several. Each then has a cooldown of its own, since another one may be a stranger's.

    The key contains the number of the current quarter of an hour. So of simultaneous requests one
    inserts a row. A row of the previous quarter may still be within the cooldown.
    """
    previous, current = _keys(kind, email, about)
    since = timezone.now() - COOLDOWN
    if not Notification.objects.filter(key=previous, created_at__gt=since).exists():
        notify(
            kind,
            key=current,
            email=email,
            user=user,
            event_id=event_id,
            registration_id=registration_id,
        )


def end_cooldown(kind: str, *, email: str) -> None:
    """Let the next request send a mail, since the links sent before no longer work."""
    Notification.objects.filter(key__in=_keys(kind, email)).update(
        key=Concat(Value(f"{kind}:{uuid4()}:"), Cast(F("pk"), TextField()))
    )


def _keys(kind: str, email: str, about: str = "") -> tuple[str, str]:
    """The keys of the previous and the current quarter of an hour. They contain no address."""
    subject = f"{mailbox_of(email)} {about}"
    digest = salted_hmac("fresh mail", subject, algorithm="sha256").hexdigest()
    number = int(timezone.now().timestamp() // COOLDOWN.total_seconds())
    return f"{kind}:{digest}:{number - 1}", f"{kind}:{digest}:{number}"

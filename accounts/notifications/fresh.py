"""Mails that anybody can ask for, of which a mailbox gets one in a while.

A request while an earlier mail is fresh adds nothing, and its answer does not differ. So nobody can
fill a mailbox, and nobody can keep its owner from asking: the mail that somebody else asked for has
the same link.
"""

from datetime import timedelta
from uuid import UUID, uuid4

from django.db.models import F, TextField, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone
from django.utils.crypto import salted_hmac

from config.api.text.email_addresses import mailbox_of

from ..models import Notification, User
from .recording import notify

FRESH_FOR = timedelta(minutes=15)


def notify_unless_fresh(
    kind: str,
    *,
    email: str,
    about: str = "",
    user: User | None = None,
    event_id: int | None = None,
    registration_id: UUID | None = None,
) -> None:
    """Send a mail of this kind, unless the mailbox was sent one within `FRESH_FOR`.

    `about` names the account or registration where a mailbox may have mails about several. Those
    about one of them then do not stand for those about another, which may be a stranger's.

    The key holds the number of the present quarter of an hour, so that of requests at one moment
    one makes a row; a row of the quarter before may be fresh still.
    """
    earlier, present = _keys(kind, email, about)
    since = timezone.now() - FRESH_FOR
    if not Notification.objects.filter(key=earlier, created_at__gt=since).exists():
        notify(
            kind,
            key=present,
            email=email,
            user=user,
            event_id=event_id,
            registration_id=registration_id,
        )


def end_freshness(kind: str, *, email: str) -> None:
    """The links sent so far no longer work, so the next request sends a mail again."""
    Notification.objects.filter(key__in=_keys(kind, email)).update(
        key=Concat(Value(f"{kind}:{uuid4()}:"), Cast(F("pk"), TextField()))
    )


def _keys(kind: str, email: str, about: str = "") -> tuple[str, str]:
    """Those of the quarter of an hour before, and of the present one. They name no address."""
    subject = f"{mailbox_of(email)} {about}"
    digest = salted_hmac("fresh mail", subject, algorithm="sha256").hexdigest()
    number = int(timezone.now().timestamp() // FRESH_FOR.total_seconds())
    return f"{kind}:{digest}:{number - 1}", f"{kind}:{digest}:{number}"

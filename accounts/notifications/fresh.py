"""Mails that anybody can ask for, of which a mailbox gets one in a while.

A request while an earlier mail is fresh adds nothing, and its answer does not differ. So nobody can
fill a mailbox, and nobody can keep its owner from asking: the mail that somebody else asked for has
the same link.
"""

from datetime import timedelta
from uuid import uuid4

from django.db.models import F, TextField, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone
from django.utils.crypto import salted_hmac

from config.api.text.email_addresses import mailbox_of

from ..models import Notification, User
from .recording import notify

FRESH_FOR = timedelta(minutes=15)


def notify_unless_fresh(kind: str, *, email: str, user: User | None = None) -> None:
    """Send a mail of this kind, unless the mailbox was sent one within `FRESH_FOR`.

    The key holds the number of the present quarter of an hour, so that of requests at one moment
    one makes a row; a row of the quarter before may be fresh still.
    """
    earlier, present = _keys(kind, email)
    since = timezone.now() - FRESH_FOR
    if not Notification.objects.filter(key=earlier, created_at__gt=since).exists():
        notify(kind, key=present, email=email, user=user)


def end_freshness(kind: str, *, email: str) -> None:
    """The links sent so far no longer work, so the next request sends a mail again."""
    Notification.objects.filter(key__in=_keys(kind, email)).update(
        key=Concat(Value(f"{kind}:{uuid4()}:"), Cast(F("pk"), TextField()))
    )


def _keys(kind: str, email: str) -> tuple[str, str]:
    """Those of the quarter of an hour before, and of the present one. They name no address."""
    digest = salted_hmac("fresh mail", mailbox_of(email), algorithm="sha256").hexdigest()
    number = int(timezone.now().timestamp() // FRESH_FOR.total_seconds())
    return f"{kind}:{digest}:{number - 1}", f"{kind}:{digest}:{number}"

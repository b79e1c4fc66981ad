"""Links to the check-in page of an event: creating, finding and withdrawing them."""

import hashlib
import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.audit import audited, record
from accounts.models import User
from events.models import Event, Right, has_right

from ..models import DoorLink
from .ledger import is_registration_staff

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # 256 random bits

# The time of the last use is written at most once a minute, not by every request.
_USE_PRECISION = timedelta(minutes=1)


@transaction.atomic
def create_door_link(event: Event, *, name: str, by: User) -> tuple[DoorLink, str]:
    """The link and its address, which contains the token and is stored nowhere."""
    token = secrets.token_urlsafe(32)
    link = DoorLink.objects.create(event=event, name=name, digest=_digest(token), created_by=by)
    record(link, "created", after={"name": name, "event": event.pk})
    return link, f"{settings.PUBLIC_URL}/door/{token}"


@transaction.atomic
@audited("withdrawn")
def withdraw_door_link(link: DoorLink) -> None:
    """Ends a link at once. A withdrawn one stays unchanged."""
    DoorLink.objects.existing().filter(pk=link.pk).update(withdrawn_at=timezone.now())


def find_door_link(token: str) -> DoorLink | None:
    """The link that works with this token, with its event and account; else None.

    A link ends with the rights of the account that made it.
    """
    if not _TOKEN.fullmatch(token):
        return None
    link = (
        DoorLink.objects.existing()
        .select_related("event", "created_by")
        .filter(digest=_digest(token), event__deleted_at=None, created_by__is_active=True)
        .first()
    )
    if link is None or link.expires_at <= timezone.now():
        return None
    return link if _may_work(link.created_by, link.event) else None


def record_use(link: DoorLink) -> None:
    """Records the time of this use, unless the last one was less than a minute ago."""
    at = timezone.now()
    if link.last_used_at is not None and at - link.last_used_at < _USE_PRECISION:
        return
    DoorLink.objects.filter(pk=link.pk).update(last_used_at=at)


def door_links_of(event: Event) -> QuerySet[DoorLink]:
    return DoorLink.objects.existing().filter(event=event).select_related("event", "created_by")


def end_door_links(user: User) -> None:
    """Withdraws the links of an account that ends, and erases their names."""
    links = DoorLink.objects.filter(created_by=user)
    links.filter(withdrawn_at=None).update(withdrawn_at=timezone.now())
    links.update(name="")


def _may_work(user: User, event: Event) -> bool:
    return has_right(user, Right.PEOPLE, event) or is_registration_staff(user)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()

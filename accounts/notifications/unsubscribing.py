"""Mails that people no longer want."""

from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings
from django.core import signing

from ..models import Notification, Unsubscription
from .kinds import switchable_kinds

_SIGNER = signing.Signer(salt="unsubscribe")


class Wish(NamedTuple):
    """Who wants no more mails of which kind: an account, or an address without one."""

    user_id: int | None
    email: str
    kind: str


def unsubscribe_url(row: Notification) -> str:
    """A link that works for ever, for whoever holds the mail."""
    return f"{settings.PUBLIC_URL}/unsubscribe/{_token(row)}"


def unsubscribed(rows: Iterable[Notification]) -> set[int]:
    """Those of the guests' rows whose address wants none of their kind, by primary key."""
    guests = [row for row in rows if row.user_id is None]
    if not guests:
        return set()
    wishes = set(
        Unsubscription.objects.filter(
            email__in={row.email for row in guests}, kind__in=[k.name for k in switchable_kinds()]
        ).values_list("email", "kind")
    )
    return {row.pk for row in guests if (row.email, row.kind) in wishes}


def _token(row: Notification) -> str:
    email = "" if row.user_id else row.email
    return _SIGNER.sign_object(Wish(row.user_id, email, row.kind))


def read_token(token: str) -> Wish | None:
    """None for a token that we have not made."""
    try:
        return Wish(*_SIGNER.unsign_object(token))
    except signing.BadSignature:
        return None

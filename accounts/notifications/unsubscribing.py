"""Mails that people no longer want, said by a link in one of them.

Whoever holds a mail may follow its link, for ever and without signing in. A token is
`<account id, or digest of an address>.<kind>.<signature>`, so an address is in nobody's log.
"""

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core.signing import Signer
from django.db import transaction
from django.db.models import QuerySet

from ..models import Notification, Unsubscription, User
from .kinds import Kind, find_kind, switchable_kinds
from .preferences import wants_mail

_FORM = re.compile(r"([1-9][0-9]{0,17}|[0-9a-f]{64})\.([a-z0-9_]{1,40})\.([A-Za-z0-9_-]{43})")
_SIGNER = Signer(salt="accounts.unsubscribe")


@dataclass(frozen=True)
class Wish:
    """Mails of one kind to one account, or to an address without one: wanted, or not."""

    kind: Kind
    user_id: int | None
    address_digest: str


def unsubscribe_url(row: Notification) -> str:
    whom = str(row.user_id) if row.user_id else digest_of(row.email)
    signed = f"{whom}.{row.kind}"
    return f"{settings.PUBLIC_URL}/unsubscribe/?token={signed}.{_SIGNER.signature(signed)}"


def read_token(token: str) -> Wish | None:
    """None for a token that is not ours, or no longer means anybody or anything."""
    match = _FORM.fullmatch(token)
    if match is None:
        return None
    whom, name, signature = match.groups()
    kind = find_kind(name)
    is_ours = hmac.compare_digest(signature, _SIGNER.signature(f"{whom}.{name}"))
    if not is_ours or kind is None or not kind.switchable:
        return None
    if len(whom) == 64:
        return Wish(kind, None, whom)
    is_there = User.objects.filter(pk=whom, erased_at=None).exists()
    return Wish(kind, int(whom), "") if is_there else None


def is_wanted(wish: Wish) -> bool:
    if wish.user_id is not None:
        return wants_mail(User.objects.get(pk=wish.user_id), wish.kind)
    return not _unsubscriptions([wish.address_digest]).filter(kind=wish.kind.name).exists()


@transaction.atomic
def grant(wish: Wish, *, wanted: bool) -> None:
    """Stop the mails, or send them again; twice is as good as once."""
    if wish.user_id is not None:
        user = User.objects.select_for_update(no_key=True).get(pk=wish.user_id)
        user.notification_preferences[wish.kind.name] = wanted
        user.save(update_fields=["notification_preferences"])
    elif wanted:
        _unsubscriptions([wish.address_digest]).filter(kind=wish.kind.name).delete()
    else:
        Unsubscription.objects.bulk_create(
            [Unsubscription(address_digest=wish.address_digest, kind=wish.kind.name)],
            ignore_conflicts=True,
        )


def adopt_unsubscriptions(user: User) -> None:
    """What an address did not want, its account does not want either. Caller holds its lock."""
    found = _unsubscriptions([digest_of(user.email)])
    kinds = set(found.values_list("kind", flat=True))
    if kinds:
        user.notification_preferences |= dict.fromkeys(kinds, False)
        user.save(update_fields=["notification_preferences"])
        found.delete()


def unsubscribed(rows: Collection[Notification]) -> set[int]:
    """Those of the guests' rows whose address wants none of their kind, by primary key."""
    guests = {row.pk: digest_of(row.email) for row in rows if row.user_id is None}
    if not guests:
        return set()
    switchable = [kind.name for kind in switchable_kinds()]
    found = _unsubscriptions(guests.values()).filter(kind__in=switchable)
    unwanted = set(found.values_list("address_digest", "kind"))
    return {row.pk for row in rows if (guests.get(row.pk), row.kind) in unwanted}


def digest_of(address: str) -> str:
    return hashlib.sha256(address.lower().encode()).hexdigest()


def _unsubscriptions(digests: Iterable[str]) -> QuerySet[Unsubscription]:
    return Unsubscription.objects.filter(address_digest__in=set(digests))

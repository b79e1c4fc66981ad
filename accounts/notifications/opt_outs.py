"""The kinds of mail that a mailbox has opted out of. There is no other record of it.

An opt-out belongs to the mailbox and not to an account. A guest opts out by the link in a mail, an
account by its preferences, with or without a confirmed address. The opt-out applies to every
account that has the mailbox then or later, until its confirmed owner switches the kind on. Only
digests of addresses are stored, so the record of an erased account contains no personal data.
"""

import hashlib
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import QuerySet

from config.api.sql.compiled_queries import fetch
from config.api.text.email_addresses import mailbox_of

from ..models import Notification, Unsubscription
from .kinds import switchable_kinds


def digest_of(address: str) -> str:
    """Identifies the mailbox. All spellings of an address have the same digest."""
    return hashlib.sha256(mailbox_of(address).encode()).hexdigest()


def opted_out_kinds(address_digest: str) -> set[str]:
    def kinds(values: list[Any] | None) -> QuerySet[Any, Any]:
        return _opt_outs(values or [address_digest]).values_list("kind")

    return {kind for (kind,) in fetch("kinds of opt-outs", kinds, [address_digest], prepare=True)}


def opt_out(address_digest: str, kinds: Iterable[str]) -> None:
    """Idempotent."""
    Unsubscription.objects.bulk_create(
        [Unsubscription(address_digest=address_digest, kind=kind) for kind in kinds],
        ignore_conflicts=True,
    )


def opt_in(address_digest: str, kinds: Collection[str]) -> None:
    """The caller has checked that the request comes from the mailbox's owner."""
    _opt_outs([address_digest]).filter(kind__in=kinds).delete()


def copy_opt_outs(former: str, address: str) -> None:
    """Copy the opt-outs of an account that moves to another mailbox."""
    opt_out(digest_of(address), opted_out_kinds(digest_of(former)))


def opted_out_rows(rows: Collection[Notification]) -> set[int]:
    """The primary keys of rows whose mailbox has opted out of their kind."""
    digests = {row.pk: digest_of(row.email) for row in rows}
    switchable = [kind.name for kind in switchable_kinds()]
    opt_outs = _opt_outs(digests.values()).filter(kind__in=switchable)
    pairs = set(opt_outs.values_list("address_digest", "kind"))
    return {row.pk for row in rows if (digests[row.pk], row.kind) in pairs}


def _opt_outs(digests: Iterable[str]) -> QuerySet[Unsubscription]:
    return Unsubscription.objects.filter(address_digest__in=set(digests))

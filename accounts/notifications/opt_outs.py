"""Which kinds of mail a mailbox does not want: the only record of it.

An opt-out belongs to the mailbox and not to an account. It applies whoever gave it (a guest by the
link in a mail, an account by its preferences, confirmed or not) and whatever account exists or is
made later, until the confirmed owner of the mailbox switches the kind on. Only digests of addresses
are stored, so the record outlives an account that is erased without naming anybody.
"""

import hashlib
from collections.abc import Collection, Iterable

from django.db.models import QuerySet

from config.api.text.email_addresses import mailbox_of

from ..models import Notification, Unsubscription
from .kinds import switchable_kinds


def digest_of(address: str) -> str:
    """Names the mailbox, whatever spelling of its address is given."""
    return hashlib.sha256(mailbox_of(address).encode()).hexdigest()


def opted_out_kinds(address_digest: str) -> set[str]:
    return set(_opt_outs([address_digest]).values_list("kind", flat=True))


def opt_out(address_digest: str, kinds: Iterable[str]) -> None:
    """Twice is as good as once."""
    Unsubscription.objects.bulk_create(
        [Unsubscription(address_digest=address_digest, kind=kind) for kind in kinds],
        ignore_conflicts=True,
    )


def opt_in(address_digest: str, kinds: Collection[str]) -> None:
    """The caller knows that the mailbox's owner asks for it."""
    _opt_outs([address_digest]).filter(kind__in=kinds).delete()


def carry_over(former: str, address: str) -> None:
    """An account moves to another mailbox, and its choices go along. Both mailboxes have them."""
    opt_out(digest_of(address), opted_out_kinds(digest_of(former)))


def unwanted(rows: Collection[Notification]) -> set[int]:
    """Those of the rows whose mailbox wants no mail of their kind, by primary key."""
    digests = {row.pk: digest_of(row.email) for row in rows}
    switchable = [kind.name for kind in switchable_kinds()]
    opt_outs = _opt_outs(digests.values()).filter(kind__in=switchable)
    pairs = set(opt_outs.values_list("address_digest", "kind"))
    return {row.pk for row in rows if (digests[row.pk], row.kind) in pairs}


def _opt_outs(digests: Iterable[str]) -> QuerySet[Unsubscription]:
    return Unsubscription.objects.filter(address_digest__in=set(digests))

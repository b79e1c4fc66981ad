"""The link in each mail that ends mails of its kind (RFC 8058).

Whoever holds a mail may follow its link, for ever and without signing in. A token is
`<digest of the mailbox>.<kind>.<signature>`, so an address is in nobody's log. Mails of earlier
versions to accounts have the account's id in place of the digest.
"""

import re
from dataclasses import dataclass

from django.conf import settings
from django.core.signing import Signer

from config.api.keys import is_signature

from ..models import Notification, User
from .kinds import Kind, find_kind
from .opt_outs import digest_of, opt_in, opt_out, opted_out_kinds

_FORM = re.compile(r"([1-9][0-9]{0,17}|[0-9a-f]{64})\.([a-z0-9_]{1,40})\.([A-Za-z0-9_-]{43})")
_SIGNER = Signer(salt="accounts.unsubscribe")


@dataclass(frozen=True)
class Wish:
    """Mails of one kind to one mailbox: wanted, or not.

    `may_switch_on`: whether the link proves that its holder reads the mailbox.
    """

    kind: Kind
    address_digest: str
    may_switch_on: bool = True


def unsubscribe_url(row: Notification) -> str:
    signed = f"{digest_of(row.email)}.{row.kind}"
    return f"{settings.PUBLIC_URL}/unsubscribe/?token={signed}.{_SIGNER.signature(signed)}"


def read_token(token: str) -> Wish | None:
    """None for a token that is not ours, or no longer means anybody or anything."""
    match = _FORM.fullmatch(token)
    if match is None:
        return None
    whom, name, signature = match.groups()
    kind = find_kind(name)
    is_ours = is_signature(signature, lambda key: _SIGNER.signature(f"{whom}.{name}", key))
    if not is_ours or kind is None or not kind.switchable:
        return None
    if len(whom) == 64:
        return Wish(kind, whom)
    user = User.objects.existing().filter(pk=whom).first()
    if user is None:
        return None
    # The account may have moved to a mailbox that this mail never reached.
    return Wish(kind, digest_of(user.email), may_switch_on=user.email_verified)


def is_wanted(wish: Wish) -> bool:
    return wish.kind.name not in opted_out_kinds(wish.address_digest)


def grant(wish: Wish, *, wanted: bool) -> bool:
    """Stop the mails, or send them again; twice is as good as once. Returns whether they are on."""
    if not wanted:
        opt_out(wish.address_digest, [wish.kind.name])
    elif wish.may_switch_on:
        opt_in(wish.address_digest, [wish.kind.name])
    return is_wanted(wish)

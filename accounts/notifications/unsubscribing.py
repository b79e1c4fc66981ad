"""The unsubscribe link of each mail (RFC 8058).

The link works without signing in, and does not expire. A token is
`<digest of the mailbox>.<kind>.<signature>`, so no log contains the address. Mails of earlier
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
class Subscription:
    """Mails of one kind to one mailbox.

    `may_switch_on`: whether the link proves that its holder reads the mailbox.
    """

    kind: Kind
    address_digest: str
    may_switch_on: bool = True


def unsubscribe_url(row: Notification) -> str:
    signed = f"{digest_of(row.email)}.{row.kind}"
    return f"{settings.PUBLIC_URL}/unsubscribe/?token={signed}.{_SIGNER.signature(signed)}"


def subscription_of(token: str) -> Subscription | None:
    """None for an invalid token, and for one whose account or kind no longer exists."""
    match = _FORM.fullmatch(token)
    if match is None:
        return None
    recipient, name, signature = match.groups()
    kind = find_kind(name)
    signed = f"{recipient}.{name}"
    is_valid = is_signature(signature, lambda key: _SIGNER.signature(signed, key))
    if not is_valid or kind is None or not kind.switchable:
        return None
    if len(recipient) == 64:
        return Subscription(kind, recipient)
    user = User.objects.existing().filter(pk=recipient).first()
    if user is None:
        return None
    # The account may have moved to a mailbox that this mail never reached.
    return Subscription(kind, digest_of(user.email), may_switch_on=user.email_verified)


def is_subscribed(subscription: Subscription) -> bool:
    return subscription.kind.name not in opted_out_kinds(subscription.address_digest)


def change_subscription(subscription: Subscription, *, is_on: bool) -> bool:
    """Switch the mails off, or on if that is allowed. Idempotent. Returns whether they are on."""
    if not is_on:
        opt_out(subscription.address_digest, [subscription.kind.name])
    elif subscription.may_switch_on:
        opt_in(subscription.address_digest, [subscription.kind.name])
    return is_subscribed(subscription)

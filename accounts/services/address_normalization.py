"""Makes stored e-mail addresses canonical: those that were loaded by SQL from another product.

Every other way of storing an address makes it canonical first.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import F, TextField
from django.db.models.functions import Cast

from config.api.text.email_addresses import InvalidAddress, canonical_address, deliverable_address

from ..lockout import account_digest
from ..models import FormerAddress, Notification, SignInFailures, Unsubscription, User

# Matches only canonical addresses, for PostgreSQL and Python. So SQL selects the other rows.
_SURELY_CANONICAL = r"^[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@([a-z0-9-]+\.)*[a-z0-9-]+$"
_HAS_A_LABEL = r"[@.]xn--"

# Characters that IDNA 2003 removes. Mails were sent to the domain without them.
_REMOVED = re.compile("[\u00ad\u034f\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]")
_NEVER = datetime.max.replace(tzinfo=UTC)


def uncertain(rows: Any) -> Any:
    """The rows of a QuerySet whose `email` may not be canonical."""
    return rows.exclude(email__regex=_SURELY_CANONICAL) | rows.filter(email__regex=_HAS_A_LABEL)


def normalized(address: str) -> str | None:
    """The canonical address, or None if it is invalid.

    Invisible characters are removed, as they were for the look-up of the mail server.
    """
    for text in (address, _REMOVED.sub("", address)):
        try:
            return canonical_address(text)
        except InvalidAddress:
            continue
    return None


def was_delivered_elsewhere(address: str) -> bool:
    """Whether mails to this address were sent to another domain, by the rules of IDNA 2003.

    A confirmation then proves the mailbox at that other domain.
    """
    canonical = normalized(address)
    if canonical is None:
        return False
    domain = deliverable_address(canonical).rpartition("@")[2]
    try:
        return address.rpartition("@")[2].encode("idna").decode("ascii").lower() != domain
    except UnicodeError:  # it was not delivered at all
        return False


@transaction.atomic
def normalize_addresses() -> dict[str, str]:
    """Make the addresses of accounts, former addresses and notifications canonical.

    Opt-outs and failures of sign-ins move to the mailbox. Returns the new address of each changed
    one.
    """
    changed = _normalize_accounts()
    changed |= _normalize_pending()
    changed |= _normalize_former()
    changed |= _normalize_notifications()
    rekey_opt_outs(changed)
    _rekey_sign_in_failures(changed)
    return changed


def _normalize_accounts() -> dict[str, str]:
    """Make the addresses of accounts canonical. Returns the new address of each changed one.

    Of several accounts with one mailbox, the one that was confirmed first keeps it, else the
    oldest. The others get a placeholder and `withdrawn_email`: see `User.needs_address`.
    """
    users = User.objects.filter(erased_at=None)
    claims: dict[str | None, list[Any]] = {}
    for user in uncertain(users):
        if was_delivered_elsewhere(user.email):
            _end_proofs(users, user)
        claims.setdefault(normalized(user.email), []).append(user)
    changed: dict[str, str] = {}
    for user in claims.pop(None, []):
        _withdraw(users, user, changed)
    for address, claimants in claims.items():
        listed = {user.pk for user in claimants}
        canonical = users.filter(email=address).exclude(pk__in=listed)
        keeper, *others = sorted([*claimants, *canonical], key=_precedence)
        for user in others:
            _withdraw(users, user, changed)
        if keeper.email != address:
            changed[keeper.email] = str(address)
            users.filter(pk=keeper.pk).update(email=address)
    return changed


def _normalize_pending() -> dict[str, str]:
    changed = {}
    for user in User.objects.exclude(pending_email=""):
        address = normalized(user.pending_email) or ""
        if address != user.pending_email:
            changed[user.pending_email] = address
            User.objects.filter(pk=user.pk).update(pending_email=address)
    return {former: address for former, address in changed.items() if address}


def _normalize_former() -> dict[str, str]:
    changed = {}
    for row in uncertain(FormerAddress.objects.all()):
        address = normalized(row.email)
        if address is None or was_delivered_elsewhere(row.email):
            row.delete()  # the confirmation at another domain does not prove this mailbox
        elif address != row.email:
            changed[row.email] = address
            FormerAddress.objects.filter(pk=row.pk).update(email=address)
    return changed


def _normalize_notifications() -> dict[str, str]:
    rows = uncertain(Notification.objects.all()).order_by()
    changed = {}
    for email in list(rows.values_list("email", flat=True).distinct()):
        address = normalized(email)
        if address is not None and address != email:
            changed[email] = address
    for former, address in changed.items():
        # A condition on `email` itself looks for the canonical spelling.
        spelled = Notification.objects.annotate(spelling=Cast("email", TextField()))
        spelled.filter(spelling=former).update(email=address)
    return changed


def rekey_opt_outs(changed: dict[str, str]) -> None:
    """Move the opt-outs of each former spelling to the mailbox."""
    for former, address in changed.items():
        rows = Unsubscription.objects.filter(address_digest=_digest(former))
        if kinds := list(rows.values_list("kind", flat=True)):
            Unsubscription.objects.bulk_create(
                [Unsubscription(address_digest=_digest(address), kind=kind) for kind in kinds],
                ignore_conflicts=True,
            )
            rows.delete()


def _rekey_sign_in_failures(changed: dict[str, str]) -> None:
    """Move the failures of each former spelling to the mailbox, unless it has some itself."""
    for former, address in changed.items():
        mailbox = account_digest(address)
        for row in SignInFailures.objects.filter(account=account_digest(former, is_canonical=True)):
            known = SignInFailures.objects.filter(account=mailbox, address=row.address)
            if not known.exists():
                SignInFailures.objects.filter(pk=row.pk).update(account=mailbox)


def _precedence(user: Any) -> tuple[datetime, datetime, int]:
    return user.email_verified_at or _NEVER, user.date_joined, user.pk


def _end_proofs(users: Any, user: Any) -> None:
    """Make the address unconfirmed, and end the links and sessions of its former owner."""
    user.email_verified_at = None
    users.filter(pk=user.pk).update(
        email_verified_at=None, token_generation=F("token_generation") + 1
    )


def _withdraw(users: Any, user: Any, changed: dict[str, str]) -> None:
    canonical = normalized(user.email)
    if canonical is not None and canonical != user.email:
        changed[user.email] = canonical
    users.filter(pk=user.pk).update(
        email=f"withdrawn-{user.pk}@invalid",
        withdrawn_email=user.email,
        email_verified_at=None,
        pending_email="",
    )


def _digest(address: str) -> str:
    """The digest of exactly this spelling."""
    return hashlib.sha256(address.encode()).hexdigest()

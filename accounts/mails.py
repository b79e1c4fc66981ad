"""The kinds of mails about account security. They cannot be switched off.

Their links give access to the account, so the inbox does not show them: a stolen session could read
it. The links are made here, while a mail is rendered, and are not stored.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings

from .links import confirmation_link, recovers_from, recovery_link, reset_link
from .models import ApiKey, Notification, User
from .notifications import Kind

_LINK = f"{settings.PUBLIC_URL}/"  # in samples

FactsByRow = dict[int, dict[str, Any]]


def _with_owners(rows: Sequence[Notification]) -> Iterator[tuple[Notification, User]]:
    """The rows with their accounts. Rows of inactive accounts are omitted."""
    active = User.objects.filter(is_active=True).in_bulk([row.user_id for row in rows])
    return ((row, active[row.user_id]) for row in rows if row.user_id in active)


def _load_confirmations(rows: Sequence[Notification]) -> FactsByRow:
    return {
        row.pk: {
            "user": user,
            "link": confirmation_link(user),
            "is_unsolicited": True,  # even if another account has left the address recently
            "hours": settings.CONFIRMATION_LINK_LIFETIME // timedelta(hours=1),
        }
        for row, user in _with_owners(rows)
        if user.unconfirmed_email == row.email
    }


def _load_resets(rows: Sequence[Notification]) -> FactsByRow:
    """Accounts are looked up by address here, so the request takes the same time for all."""
    addresses = {row.email for row in rows}
    owners = {user.email: user for user in User.objects.filter(email__in=addresses, is_active=True)}
    return {
        row.pk: {
            "user": owners[row.email],
            "link": reset_link(owners[row.email]),
            "minutes": settings.RESET_LINK_LIFETIME // timedelta(minutes=1),
        }
        for row in rows
        if row.email in owners
    }


def _load_changes(rows: Sequence[Notification]) -> FactsByRow:
    return {
        row.pk: {
            "user": user,
            "is_waiting": user.email == row.email,
            "link": recovery_link(user, row.email) if recovers_from(user, row.email) else "",
            "days": settings.FORMER_ADDRESS_LIFETIME.days,
        }
        for row, user in _with_owners(rows)
    }


def _load_passwords(rows: Sequence[Notification]) -> FactsByRow:
    """With the names of the API keys that still work, of all accounts by one query."""
    owners = list(_with_owners(rows))
    names: dict[int, list[str]] = {}
    live = ApiKey.objects.live().filter(user__in=[user.pk for _, user in owners]).order_by("pk")
    for user_id, name in live.values_list("user_id", "name"):
        names.setdefault(user_id, []).append(name)
    return {row.pk: {"user": user, "keys": names.get(user.pk, [])} for row, user in owners}


def _load_revoked_keys(rows: Sequence[Notification]) -> FactsByRow:
    """The rows have the name and the beginning of the key, and whether a rotation replaced it."""
    return {row.pk: {"user": user, **row.facts} for row, user in _with_owners(rows)}


def _security(name: str, load: Any, **sample: Any) -> Kind:
    """A kind whose sample has the facts `sample` beside the account."""
    return Kind(
        name=name,
        title="Account security",
        template=f"accounts/mail/{name}.html",
        load=load,
        switchable=False,
        in_app=False,
        sample=lambda: {"user": User(username="bob"), **sample},
    )


CONFIRM_ADDRESS = _security("confirm_address", _load_confirmations, link=_LINK, hours=48)
PASSWORD_RESET = _security("password_reset", _load_resets, link=_LINK, minutes=60)
ADDRESS_CHANGED = _security("address_changed", _load_changes, link=_LINK, is_waiting=True, days=7)
PASSWORD_CHANGED = _security("password_changed", _load_passwords, keys=["Ticket shop"])
KEY_REVOKED = _security(
    "key_revoked", _load_revoked_keys, key_name="Ticket shop", hint="evk_3kT9", is_replaced=False
)
ALL = (CONFIRM_ADDRESS, PASSWORD_RESET, ADDRESS_CHANGED, PASSWORD_CHANGED, KEY_REVOKED)

"""The mail preferences of an account: the kinds that its mailbox has not opted out of."""

from collections.abc import Mapping

from config.errors import FieldError, ValidationFailed

from ..models import User
from .kinds import switchable_kinds
from .opt_outs import digest_of, opt_in, opt_out, opted_out_kinds


def preferences_of(user: User) -> dict[str, bool]:
    """Every kind that can be switched off, and whether it is on."""
    off = opted_out_kinds(digest_of(user.email))
    return {kind.name: kind.name not in off for kind in switchable_kinds()}


def change_preferences(user: User, changes: Mapping[str, bool], *, by_staff: bool = False) -> None:
    """Switch kinds of mail on or off. Kinds that are not in `changes` stay as they are.

    Every account may switch a kind off. Only the confirmed owner of the address may switch it on,
    since the opt-out may be another person's. Raises `ValidationFailed`.
    """
    mailbox = digest_of(user.email)
    off = opted_out_kinds(mailbox)
    on = [name for name, is_on in changes.items() if is_on and name in off]
    if on and (by_staff or not user.email_verified):
        detail = (
            "Only the owner of the address can switch this on."
            if by_staff
            else "Confirm your e-mail address first: these e-mails were switched off for it."
        )
        raise ValidationFailed(
            *(FieldError(f"notification_preferences.{name}", "invalid", detail) for name in on)
        )
    opt_in(mailbox, on)
    opt_out(mailbox, [name for name, is_on in changes.items() if not is_on])

"""What changes accounts, sessions, addresses and passwords."""

from ..calendars import reset_calendar_link
from .accounts import (
    change_access,
    edit_profile,
    erase_account,
    known_addresses,
    sign_in,
    sign_out_everywhere,
    sign_up,
)
from .addresses import (
    change_address,
    confirm_address,
    confirm_email,
    forget_former_addresses,
    resend_confirmation,
    user_to_confirm,
)
from .keys import create_key, edit_key, revoke_found_key, revoke_key, rotate_key
from .passwords import (
    change_password,
    confirm_with_new_password,
    request_password_reset,
    reset_password,
    set_password,
    user_to_reset,
)
from .rules import lock_account

__all__ = [
    "change_access",
    "change_address",
    "change_password",
    "confirm_address",
    "confirm_email",
    "confirm_with_new_password",
    "create_key",
    "edit_key",
    "edit_profile",
    "erase_account",
    "forget_former_addresses",
    "known_addresses",
    "lock_account",
    "request_password_reset",
    "resend_confirmation",
    "reset_calendar_link",
    "reset_password",
    "revoke_found_key",
    "revoke_key",
    "rotate_key",
    "set_password",
    "sign_in",
    "sign_out_everywhere",
    "sign_up",
    "user_to_confirm",
    "user_to_reset",
]

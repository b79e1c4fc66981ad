from .checkin import check_in, undo_check_in
from .people import close_account
from .registering import register
from .waitlist import cancel_registration, promote_waiting, rename

__all__ = [
    "cancel_registration",
    "check_in",
    "close_account",
    "promote_waiting",
    "register",
    "rename",
    "undo_check_in",
]

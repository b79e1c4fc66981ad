from .people import close_account
from .registering import register
from .waitlist import cancel_registration, promote_waiting, rename

__all__ = ["cancel_registration", "close_account", "promote_waiting", "register", "rename"]

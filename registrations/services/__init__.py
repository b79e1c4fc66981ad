from .bulk import import_attendees
from .checkin import check_in, undo_check_in
from .feedback import (
    check_feedback_open,
    delete_feedback,
    edit_feedback,
    give_feedback,
    hide_feedback,
    show_feedback,
)
from .messages import send_message
from .people import close_account
from .registering import register
from .waitlist import cancel_registration, promote_waiting, rename

__all__ = [
    "cancel_registration",
    "check_feedback_open",
    "check_in",
    "close_account",
    "delete_feedback",
    "edit_feedback",
    "give_feedback",
    "hide_feedback",
    "import_attendees",
    "promote_waiting",
    "register",
    "rename",
    "send_message",
    "show_feedback",
    "undo_check_in",
]

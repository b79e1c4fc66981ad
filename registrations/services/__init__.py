from .bulk import import_attendees
from .changing import edit_registration, send_confirmation_again
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
from .waitlist import cancel_registration, promote_waiting

__all__ = [
    "cancel_registration",
    "check_feedback_open",
    "check_in",
    "close_account",
    "delete_feedback",
    "edit_feedback",
    "edit_registration",
    "give_feedback",
    "hide_feedback",
    "import_attendees",
    "promote_waiting",
    "register",
    "send_confirmation_again",
    "send_message",
    "show_feedback",
    "undo_check_in",
]

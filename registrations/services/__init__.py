from .accounts import close_account
from .bulk import import_attendees
from .cancellation import cancel_registration
from .checkin import check_in, scan_tickets, undo_check_in
from .door_lists import door_list
from .editing import edit_registration, send_confirmation_again
from .feedback import (
    check_feedback_open,
    delete_feedback,
    edit_feedback,
    give_feedback,
    hide_feedback,
    show_feedback,
)
from .messages import send_message
from .registering import register, register_caller
from .waitlist import promote_waitlist

__all__ = [
    "cancel_registration",
    "check_feedback_open",
    "check_in",
    "close_account",
    "delete_feedback",
    "door_list",
    "edit_feedback",
    "edit_registration",
    "give_feedback",
    "hide_feedback",
    "import_attendees",
    "promote_waitlist",
    "register",
    "register_caller",
    "scan_tickets",
    "send_confirmation_again",
    "send_message",
    "show_feedback",
    "undo_check_in",
]

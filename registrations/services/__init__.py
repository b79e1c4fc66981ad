"""What changes registrations, forms, the queue and check-ins."""

from .accounts import close_account
from .admission import confirm, register_caller
from .bulk import import_attendees
from .cancellation import cancel_registration
from .checkin import check_in, scan_tickets, undo_check_in
from .codes import create_code, delete_code
from .deciding import approve, decide, reject, reopen
from .door_links import (
    create_door_link,
    door_links_of,
    find_door_link,
    record_use,
    withdraw_door_link,
)
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
from .registering import register
from .waitlist import promote_waitlist

__all__ = [
    "approve",
    "cancel_registration",
    "check_feedback_open",
    "check_in",
    "close_account",
    "create_door_link",
    "confirm",
    "create_code",
    "decide",
    "delete_code",
    "delete_feedback",
    "door_links_of",
    "door_list",
    "edit_feedback",
    "edit_registration",
    "find_door_link",
    "give_feedback",
    "hide_feedback",
    "import_attendees",
    "promote_waitlist",
    "record_use",
    "register",
    "register_caller",
    "reject",
    "reopen",
    "scan_tickets",
    "send_confirmation_again",
    "send_message",
    "show_feedback",
    "undo_check_in",
    "withdraw_door_link",
]

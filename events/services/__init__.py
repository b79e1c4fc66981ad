from .bulk import create_events
from .editing import create_event, delete_event, edit_event, lock_event, restore_event
from .lifecycle import cancel_event, publish_event

__all__ = [
    "cancel_event",
    "create_event",
    "create_events",
    "delete_event",
    "edit_event",
    "lock_event",
    "publish_event",
    "restore_event",
]

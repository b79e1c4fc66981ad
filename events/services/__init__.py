"""What changes events, series, their images and their teams."""

from .bulk import create_events
from .duplicating import duplicate_event
from .editing import create_event, delete_event, edit_event, lock_event, restore_event
from .images import delete_unused_images, remove_image, set_image
from .lifecycle import cancel_event, publish_event
from .series import (
    create_series,
    end_series,
    end_series_of,
    fill_series,
    preview_series,
    publish_series,
    unfinished_series_of,
)
from .series_editing import edit_series
from .team import end_memberships
from .unlisted import is_key_of, reset_key
from .vocabulary import count_words

__all__ = [
    "delete_unused_images",
    "remove_image",
    "set_image",
    "cancel_event",
    "count_words",
    "create_event",
    "create_events",
    "create_series",
    "delete_event",
    "duplicate_event",
    "edit_event",
    "edit_series",
    "end_memberships",
    "end_series",
    "end_series_of",
    "fill_series",
    "is_key_of",
    "lock_event",
    "preview_series",
    "publish_event",
    "publish_series",
    "reset_key",
    "restore_event",
    "unfinished_series_of",
]

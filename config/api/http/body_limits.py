"""Limits of the size of request bodies."""

import re

from django.conf import settings

_BULK_PATH = re.compile(r"(?:/api)?/events/bulk/?")
_FILE_PATH = re.compile(r"(?:/api)?/events/(import|[0-9]+/attendees/import)/?")

_IMAGE_PATH = re.compile(r"(?:/api)?/events/[0-9]+/image/?")
MAX_IMAGE_BYTES = 8 * 1024 * 1024

_FORM_FRAME_BYTES = 64 * 1024  # the parts of a form around a file


def body_limit(path: str) -> int:
    """The maximum body of a request to `path`, in bytes. Bulk writes and files may be larger."""
    default: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if _FILE_PATH.fullmatch(path):
        return max(default, settings.MAX_FILE_BYTES + _FORM_FRAME_BYTES)
    if _IMAGE_PATH.fullmatch(path):
        return max(default, MAX_IMAGE_BYTES + _FORM_FRAME_BYTES)
    return max(default, settings.MAX_BULK_BODY_BYTES) if _BULK_PATH.fullmatch(path) else default

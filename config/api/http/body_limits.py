"""How large a request's body may be."""

import re

from django.conf import settings

_MANY_ROWS = re.compile(r"(?:/api)?/events/bulk/?")
_FILES = re.compile(r"(?:/api)?/events/(import|[0-9]+/attendees/import)/?")

_FORM_FRAME_BYTES = 64 * 1024  # what a form has around a file


def body_limit(path: str) -> int:
    """Bytes that a request to `path` may have; more where it brings many rows or a file."""
    usual: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if _FILES.fullmatch(path):
        return max(usual, settings.MAX_FILE_BYTES + _FORM_FRAME_BYTES)
    return max(usual, settings.MAX_BULK_BODY_BYTES) if _MANY_ROWS.fullmatch(path) else usual

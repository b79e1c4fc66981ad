"""How large a request's body may be."""

import re

from django.conf import settings

_MANY_ROWS = re.compile(r"/api/events/(bulk|[0-9]+/attendees/import)/?")


def body_limit(path: str) -> int:
    """Bytes that a request to `path` may have; more where it brings many rows at once."""
    usual: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return max(usual, settings.MAX_BULK_BODY_BYTES) if _MANY_ROWS.fullmatch(path) else usual

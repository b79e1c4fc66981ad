"""Files in requests, as the body or as the part `file` of a form."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request

from config.errors import FieldError, PayloadTooLarge, ValidationFailed

from .csv_rows import ImportRefused
from .text_files import DECLARED_TYPE

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# `application/vnd.ms-excel` is the type of a CSV file on Windows with Excel.
TABLE_TYPES = (
    "text/csv", "text/plain", "application/vnd.ms-excel", "application/octet-stream", XLSX,
)  # fmt: skip
# Python's reader of headers raises other errors for each kind of a broken parameter.
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]+)', re.IGNORECASE)


@dataclass(frozen=True)
class Upload:
    """A file's bytes and the charset that the client declared."""

    content: bytes
    charset: str | None = None


class FileParser(BaseParser):
    """A parser for a body that is the file, of at most `max_bytes` (default: the setting)."""

    max_bytes: int | None = None

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        declared = parser_context["request"].META.get(DECLARED_TYPE, media_type)
        charset = _CHARSET.search(declared or "")
        return Upload(read_content(stream, self.max_bytes), charset[1] if charset else None)


def file_parsers(*media_types: str, max_bytes: int | None = None) -> tuple[type[BaseParser], ...]:
    """Parsers for a body that is a file of one of these types, and for a form."""
    parsers = [
        type("FileParser", (FileParser,), {"media_type": name, "max_bytes": max_bytes})
        for name in media_types
    ]
    return (*parsers, MultiPartParser)


def read_upload(request: Request, read_form: Callable[[], dict[str, Any]]) -> Upload:
    """The file of a request. `read_form` validates a form with the part `file`.

    Raises `PayloadTooLarge`.
    """
    data: Any = request.data
    if isinstance(data, Upload):
        return data
    file = read_form()["file"]
    charset = file.charset  # bytes, as Django has read the header of the part
    return Upload(
        read_content(file), charset.decode("latin-1") if isinstance(charset, bytes) else charset
    )


def file_error(refusal: ImportRefused) -> ValidationFailed:
    return ValidationFailed(FieldError("file", refusal.code, str(refusal)))


def read_content(stream: Any, max_bytes: int | None = None) -> bytes:
    """Raises `PayloadTooLarge` beyond `max_bytes`, by default those of the setting."""
    limit: int = max_bytes or settings.MAX_FILE_BYTES
    content: bytes = stream.read(limit + 1)
    if len(content) > limit:
        raise PayloadTooLarge(
            f"Send a file of at most {limit} bytes, or split it.", max_bytes=limit
        )
    return content

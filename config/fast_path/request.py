"""The request and the response of the fast path: see `config/fast_path/handler.py`."""

import io
from dataclasses import dataclass
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """A response. `headers` are those of the handler, without those that every response has.

    `version` is that of the row, for the ETag: see `config/api/http/conditional.py`.
    """

    status: int
    body: bytes
    headers: dict[str, str]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A request without options such as a time zone or an Idempotency-Key.

    `META` is the WSGI environment (PEP 3333). `site` is the scheme and host, such as
    `https://example.org`.
    """

    META: dict[str, Any]
    site: str

    @property
    def query(self) -> str:
        return str(self.META.get("QUERY_STRING", ""))

    def body(self) -> bytes:
        """The whole body. The view can read it again."""
        body: bytes = self.META["wsgi.input"].read(int(self.META.get("CONTENT_LENGTH") or 0))
        self.META["wsgi.input"] = io.BytesIO(body)
        return body

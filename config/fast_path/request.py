"""A request that says nothing out of the ordinary, and an answer, with nothing around them.

For the few requests that come by the thousands; see `config/fast_path/handler.py`.
"""

import io
from dataclasses import dataclass
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """Headers are those of the handler; what every answer has is added to them."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A guest's request, without a zone, an Idempotency-Key or anything else that asks for more.

    `META` is the WSGI environment (PEP 3333); `site` is the address that it was sent to, such as
    `https://example.org`.
    """

    META: dict[str, Any]
    site: str

    @property
    def query(self) -> str:
        return str(self.META.get("QUERY_STRING", ""))

    def body(self) -> bytes:
        """All of it; whoever answers in place of the handler can read it again."""
        body: bytes = self.META["wsgi.input"].read(int(self.META.get("CONTENT_LENGTH") or 0))
        self.META["wsgi.input"] = io.BytesIO(body)
        return body

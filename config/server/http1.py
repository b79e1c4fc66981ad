"""HTTP/1.1 messages (RFC 9112): heads become WSGI environments, bodies become files.

Whatever another server in front could read otherwise is rejected: a head that two servers read in
two ways smuggles one request inside another (RFC 9112, section 11.2).
"""

import re
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple, cast
from urllib.parse import unquote_to_bytes

MAX_HEAD_BYTES = 32 * 1024
MAX_FIELDS = 100
# A larger body is kept in a temporary file.
MAX_BYTES_IN_MEMORY = 1024 * 1024
_MAX_CHUNK_LINE_BYTES = 256
_MAX_TRAILER_BYTES = 8 * 1024
_MAX_KNOWN_NAMES = 1000

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_REQUEST_LINE = re.compile(rf"({_TOKEN.pattern}) ([\x21-\x7e\x80-\xff]+) HTTP/(1\.[01])")
# A control character, or half a line end.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n")
_ABSOLUTE = re.compile(r"https?://([^/?#@]+)(/[^?#]*)?(\?.*)?", re.IGNORECASE)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
# Two of these contradict each other.
_SINGLE = {"HTTP_HOST", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_AUTHORIZATION"}

# Names of fields as sent -> names in a WSGI environment; None for those that are dropped.
_known_names: dict[str, str | None] = {}


class BadRequest(Exception):
    """What was received is no request; the message says why. The connection has to be closed."""


class Body:
    """Receives a body of unknown framing; `feed` is the framing's.

    `size`: bytes so far. `is_too_large`: there are more than `limit`, and no more are kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.is_complete = False
        self.is_too_large = False
        self._file: IO[bytes] | None = None
        self._only_piece = b""

    def feed(self, data: bytes) -> bytes:
        """Returns what follows the body. Raises `BadRequest`."""
        raise NotImplementedError

    def file(self) -> IO[bytes]:
        """The body from its beginning, for `wsgi.input`."""
        if self._file is None:
            return BytesIO(self._only_piece)
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _keep(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self.limit:
            self.is_too_large = True
        elif self._file is not None:
            self._file.write(piece)
        elif self._only_piece:
            spooled = SpooledTemporaryFile(MAX_BYTES_IN_MEMORY)  # noqa: SIM115  # `close` does
            self._file = cast("IO[bytes]", spooled)
            self._file.write(self._only_piece)
            self._file.write(piece)
            self._only_piece = b""
        else:
            self._only_piece = piece


class SizedBody(Body):
    """A body of `Content-Length`, which is larger than none."""

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(limit)
        self.length = length
        self.is_too_large = length > limit

    def feed(self, data: bytes) -> bytes:
        missing = self.length - self.size
        self._keep(data[:missing])
        self.is_complete = self.size == self.length
        return data[missing:]


class ChunkedBody(Body):
    """A body of `Transfer-Encoding: chunked` (RFC 9112, section 7.1)."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._unread = b""
        self._left = 0  # of the chunk
        self._trailer_bytes = 0
        self._read_part = self._read_size

    def feed(self, data: bytes) -> bytes:
        data = self._unread + data
        position: int | None = 0
        start = 0
        while position is not None and not (self.is_complete or self.is_too_large):
            start = position
            position = self._read_part(data, start)
        if self.is_complete or self.is_too_large:
            return data[position:]
        self._unread = data[start:]
        return b""

    # Each part returns where the next begins, or None when more data is needed first.

    def _read_size(self, data: bytes, start: int) -> int | None:
        end = data.find(b"\r\n", start, start + _MAX_CHUNK_LINE_BYTES)
        if end < 0:
            if len(data) - start >= _MAX_CHUNK_LINE_BYTES:
                raise BadRequest("A chunk's first line is too long.")
            return None
        match = _CHUNK_LINE.fullmatch(data, start, end)
        if match is None:
            raise BadRequest("A chunk begins with no hexadecimal size.")
        self._left = int(match[1], 16)
        self._read_part = self._read_data if self._left else self._read_trailer
        return end + 2

    def _read_data(self, data: bytes, start: int) -> int | None:
        piece = data[start : start + self._left]
        if not piece:
            return None
        self._keep(piece)
        self._left -= len(piece)
        if not self._left:
            self._read_part = self._read_end
        return start + len(piece)

    def _read_end(self, data: bytes, start: int) -> int | None:
        if len(data) - start < 2:
            return None
        if data[start : start + 2] != b"\r\n":
            raise BadRequest("A chunk is longer than its size.")
        self._read_part = self._read_size
        return start + 2

    def _read_trailer(self, data: bytes, start: int) -> int | None:
        end = data.find(b"\r\n", start)
        length = (end if end >= 0 else len(data)) - start
        if self._trailer_bytes + length > _MAX_TRAILER_BYTES:
            raise BadRequest("The trailer is too long.")
        if end < 0:
            return None
        self._trailer_bytes += length
        self.is_complete = length == 0
        return end + 2


class Request(NamedTuple):
    """A head. `length` is None without a body, -1 for a chunked one."""

    environ: dict[str, Any]
    length: int | None
    is_kept: bool  # the client goes on with another request on this connection
    is_http_1_0: bool
    expects_continue: bool


def parse_head(head: str, connection: dict[str, Any]) -> Request:
    """Read a head in ISO 8859-1, without the empty line at its end.

    `connection`: what is the same for all requests of the connection. Fields with an underscore
    in their name are dropped: in a WSGI environment they could not be told from those with a
    hyphen, and so anybody could write what only a proxy may, such as X-Forwarded-For.
    Raises `BadRequest`.
    """
    if _FORBIDDEN.search(head):
        raise BadRequest("The head has a control character or half a line end.")
    lines = head.split("\r\n")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        if lines[0].endswith(("HTTP/2.0", "HTTP/2", "HTTP/3")):
            raise BadRequest("Speak HTTP/1.1 here; HTTP/2 is for the proxy in front.")
        raise BadRequest("The first line is not METHOD /path HTTP/1.1.")
    if len(lines) > MAX_FIELDS:
        raise BadRequest(f"The head has more than {MAX_FIELDS} fields.")
    method, target, version = match.groups()
    environ = connection.copy()
    environ["REQUEST_METHOD"] = method
    environ["SERVER_PROTOCOL"] = f"HTTP/{version}"
    del lines[0]
    for line in lines:
        name, colon, value = line.partition(":")
        try:
            key = _known_names[name]
        except KeyError:
            key = _name_in_environ(name)
        if not colon:
            raise BadRequest("A field has no colon.")
        if key is None:
            continue
        value = value.strip(" \t")
        environ[key] = _joined(key, environ[key], value) if key in environ else value
    _set_target(environ, target)
    if version == "1.1" and "HTTP_HOST" not in environ:
        raise BadRequest("The field Host is missing.")
    is_http_1_0 = version == "1.0"
    tokens = {token.strip() for token in environ.get("HTTP_CONNECTION", "").lower().split(",")}
    return Request(
        environ,
        _body_length(environ, is_http_1_0),
        "keep-alive" in tokens if is_http_1_0 else "close" not in tokens,
        is_http_1_0,
        not is_http_1_0 and environ.get("HTTP_EXPECT", "").lower() == "100-continue",
    )


def _name_in_environ(name: str) -> str | None:
    if not _TOKEN.fullmatch(name):
        raise BadRequest("A field's name has a character that no name has.")
    key: str | None = name.upper().replace("-", "_")
    if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        key = f"HTTP_{key}"
    # Programs that are called like CGI read a field Proxy as their own HTTP_PROXY.
    if "_" in name or key == "HTTP_PROXY":
        key = None
    if len(_known_names) < _MAX_KNOWN_NAMES:
        _known_names[name] = key
    return key


def _joined(key: str, first: str, second: str) -> str:
    """RFC 9110, section 5.3: lines of one field are one list."""
    if key in _SINGLE:
        raise BadRequest(f"The field {key.removeprefix('HTTP_').title()} is sent twice.")
    return f"{first}{'; ' if key == 'HTTP_COOKIE' else ','}{second}"


def _set_target(environ: dict[str, Any], target: str) -> None:
    """RFC 9112, section 3.2."""
    path, _, query = target.partition("?")
    if not target.startswith("/") and target != "*":
        match = _ABSOLUTE.fullmatch(target)
        if match is None:
            raise BadRequest("The first line names no path.")
        environ["HTTP_HOST"] = match[1]
        path, query = match[2] or "/", (match[3] or "?")[1:]
    environ["PATH_INFO"] = (
        unquote_to_bytes(path.encode("latin-1")).decode("latin-1") if "%" in path else path
    )
    environ["QUERY_STRING"] = query


def _body_length(environ: dict[str, Any], is_http_1_0: bool) -> int | None:
    """RFC 9112, section 6.3."""
    encoding = environ.pop("HTTP_TRANSFER_ENCODING", None)
    length = environ.get("CONTENT_LENGTH")
    if encoding is not None:
        if length is not None or is_http_1_0:
            raise BadRequest("Send Content-Length or Transfer-Encoding, not both.")
        if encoding.lower() != "chunked":
            raise BadRequest("The only Transfer-Encoding here is chunked.")
        return -1
    if length is None:
        return None
    if not (length.isascii() and length.isdigit() and len(length) <= 18):
        raise BadRequest("Content-Length is not a number.")
    return int(length) or None

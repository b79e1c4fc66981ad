"""Django as the web server runs it: environments, and responses as data (PEP 3333)."""

import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
RawHeaders = list[tuple[bytes, bytes]]

# A stream of known length up to this is sent as a whole, which frees its thread earlier.
_MAX_WHOLE_BYTES = 4 * 1024 * 1024
_CONSTANT = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


_MAX_CACHED_NAMES = 1000
_MAX_CACHED_LENGTH = 100
# Names in the environment by header names in lower case; None for headers that are left out.
_cached_names: dict[bytes, str | None] = {}


class Response(NamedTuple):
    """`pieces` follow `body` where a response is a stream."""

    status: int
    headers: RawHeaders
    body: bytes
    pieces: Iterator[bytes] | None


def environ_of(scope: Any, body: bytes, length: int | None) -> dict[str, Any]:
    """The environment of an ASGI request; `length` is that of its body, None without one.

    A header name with an underscore is left out. It would arrive under the name of another header,
    so a client could forge what a proxy adds (X_Forwarded_For).
    """
    client, server = scope["client"] or ("", 0), scope["server"] or ("", 0)
    environ = {
        **_CONSTANT,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": _path_of(scope["raw_path"]),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.input": BytesIO(body),
    }
    for raw_name, raw_value in scope["headers"]:
        try:
            name = _cached_names[raw_name]
        except KeyError:
            name = _name_in_environ(raw_name)
        if name is None:
            continue
        value = raw_value.decode("latin-1")
        if name in environ:  # RFC 9110, section 5.3; of Cookie RFC 6265, section 5.4
            value = f"{environ[name]}{'; ' if name == 'HTTP_COOKIE' else ','}{value}"
        environ[name] = value
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    return environ


def _path_of(raw_path: bytes) -> str:
    return (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("latin-1")


def _name_in_environ(raw_name: bytes) -> str | None:
    """None for a header that is left out."""
    name: str | None = raw_name.decode("latin-1").upper().replace("-", "_")
    if b"_" in raw_name or name in {"CONTENT_LENGTH", "TRANSFER_ENCODING"}:
        name = None
    elif name != "CONTENT_TYPE":
        name = f"HTTP_{name}"
    if len(raw_name) <= _MAX_CACHED_LENGTH and len(_cached_names) < _MAX_CACHED_NAMES:
        _cached_names[raw_name] = name
    return name


def run(
    application: Application,
    environ: dict[str, Any],
    stream: Callable[[Response], None] | None = None,
) -> Response | None:
    """The whole response, or None after `stream` has sent it.

    A stream is sent from this thread, which has its database connection.
    """
    start = _Start()
    result = application(environ, start)
    try:
        is_whole = not getattr(result, "streaming", False) or start.length() <= _MAX_WHOLE_BYTES
        if is_whole or stream is None:
            return start.response(b"".join(result))
        stream(Response(start.status, start.headers, b"", iter(result)))
        return None
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()


class _Start:
    """PEP 3333's `start_response`, without its `write`, which Django does not need."""

    status = 500

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        self.status = int(status[:3])
        self.headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]

    def length(self) -> float:
        """Bytes of the body, infinite where the headers do not say."""
        for name, value in self.headers:
            if name.lower() == b"content-length":
                return int(value)
        return float("inf")

    def response(self, body: bytes) -> Response:
        may_have_body = self.status not in {204, 304}
        if may_have_body and self.length() == float("inf"):
            self.headers.append((b"Content-Length", b"%d" % len(body)))
        return Response(self.status, self.headers, body if may_have_body else b"", None)

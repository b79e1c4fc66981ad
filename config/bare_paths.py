"""`/events` and all paths below it, for clients without the prefix `/api`."""

from collections.abc import Iterable
from typing import Any

from config.server.wsgi import Application

PREFIX = "/api"
_BARE = "/events"


def with_bare_paths(application: Application) -> Application:
    """Serve `/events…` as `/api/events…`.

    It is the outermost layer, so that the fast path, body limits, idempotency keys, rate limits,
    metrics and links use one address.
    """

    def handle(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if is_bare(path):
            environ["PATH_INFO"] = PREFIX + path
        return application(environ, start_response)

    return handle


def is_bare(path: str) -> bool:
    return path == _BARE or path.startswith(f"{_BARE}/")

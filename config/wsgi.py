"""The WSGI application, which `config.asgi` wraps.

Other WSGI servers fork after they have imported it. The import therefore starts no thread: a fork
copies the locks that a thread holds, and in the copy they are never released.
"""

import io
import os
import re
import sys
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, reset_queries

from config import tracing
from config.api.files.text_files import DECLARED_TYPE
from config.api.http.body_limits import body_limit
from config.bare_paths import with_bare_paths
from config.process_names import process_name
from config.server.wsgi import Application

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*("[^"]*"|[^;]*)', re.IGNORECASE)


def with_plain_bodies(application: Application) -> Application:
    """Prepare bodies for Django: with a Content-Length, and without parameters but the boundary.

    Django decodes all parameters before any middleware, and fails if one cannot be decoded. It
    ignores a body without a length. JSON and forms are UTF-8 only, so a charset has no effect on
    them. Files keep it in `DECLARED_TYPE`.
    """

    def handle(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        declared = environ.get("CONTENT_TYPE", "")
        if ";" in declared:
            environ[DECLARED_TYPE] = declared
            boundary = _BOUNDARY.search(declared)
            environ["CONTENT_TYPE"] = declared.partition(";")[0] + (boundary[0] if boundary else "")
        if "CONTENT_LENGTH" not in environ and _may_have_body(environ):
            limit = body_limit(environ.get("PATH_INFO", ""))
            body = environ["wsgi.input"].read(limit + 1)
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        return application(environ, start_response)

    return handle


def _may_have_body(environ: dict[str, Any]) -> bool:
    """Whether there may be a body. HTTP/2 has no header for it (RFC 9113, section 8.1.1)."""
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return True
    is_framed = environ.get("SERVER_PROTOCOL", "").startswith(("HTTP/2", "HTTP/3"))
    return is_framed and environ["REQUEST_METHOD"] not in {"GET", "HEAD"}


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Connections are checked when a request has finished. The other receiver is for debug mode.
request_started.disconnect(close_old_connections)
request_started.disconnect(reset_queries)

try:
    _views = get_wsgi_application()
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        tracing.start(process_name(sys.argv), settings.RELEASE)
except ImproperlyConfigured as error:
    sys.exit(f"Configuration error: {error}")

# Imported after the setup of Django, which their modules require.
from config.connections import use_pooler, with_live_connections  # noqa: E402
from config.fast_path.handler import with_fast_path  # noqa: E402

application = with_bare_paths(with_plain_bodies(with_live_connections(with_fast_path(_views))))

use_pooler()

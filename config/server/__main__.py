"""`python -m config.server`: the Procfile's `web`. uvicorn watches and replaces the processes.

SIGTERM and SIGINT end all gracefully. SIGHUP replaces one process after another, each once its
successor serves.
"""

import logging
import os
import resource
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from uvicorn import Config

from config.api.limited_log import first_line
from config.connections import check_for_requests, use_pooler

from .processes import Processes, listening_sockets
from .protocol import Http1Protocol

# Connections that the kernel queues until a process accepts them.
BACKLOG = 2048
# For requests in progress when a process stops.
STOP_SECONDS = 20
# A process that does not respond to its supervisor for so long is replaced.
HUNG_SECONDS = 60
# Beside connections of clients: the database, files, libraries.
OTHER_OPEN_FILES = 200


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        host, port = settings.HOST, settings.PORT
        _check_database()
    except ImproperlyConfigured as error:
        sys.exit(f"Configuration error: {error}")
    try:
        listening = listening_sockets(host, port, count=settings.WEB_CONCURRENCY, backlog=BACKLOG)
    except OSError as error:
        number = error.errno or 0
        # It is negative for a name without an address.
        reason = os.strerror(number) if number > 0 else error.strerror
        sys.exit(f"Cannot listen on {host} port {port}: {reason}")
    _allow_open_files(settings.WEB_CONNECTIONS + OTHER_OPEN_FILES)
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)  # of this process, not of its workers
    Processes(_config(), listening).run()


def _check_database() -> None:
    """Raise `ImproperlyConfigured` for a database that cannot be used.

    Without a database the server starts. Its responses are 503 until there is one.
    """
    use_pooler()
    try:
        check_for_requests()
    except OperationalError as error:
        sys.stderr.write(f"Starting without the database: {first_line(error)}\n")


def _config() -> Config:
    return Config(
        "config.asgi:application",
        http=Http1Protocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        workers=settings.WEB_CONCURRENCY,
        backlog=BACKLOG,
        timeout_keep_alive=settings.IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_worker_healthcheck=HUNG_SECONDS,
        proxy_headers=False,  # TRUSTED_PROXIES decides instead
        server_header=False,
        access_log=False,
        log_config=None,
    )


def _allow_open_files(count: int) -> None:
    """Raise the limit of open files, since each client is one. Workers inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


if __name__ == "__main__":
    main()

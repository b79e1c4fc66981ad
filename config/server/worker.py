"""One process of the web server. `config.server.supervisor` starts it.

Its arguments are file descriptors: the socket to listen on, where to write a byte once it serves,
and one that ends when the supervisor is gone.
"""

import asyncio
import os
import resource
import signal
import socket
import sys

from config.wsgi import application  # it sets Django up, which what follows needs

from django.conf import settings  # isort: skip

from config.live import LiveStreams  # isort: skip

from .connection import Connection
from .front import Front
from .limits import limits_of_settings

# Connections that the kernel holds until the loop accepts them.
_BACKLOG = 2048
# Beside clients: the database, files, libraries.
_OTHER_OPEN_FILES = 200


def main() -> None:
    listening, ready, supervisor = (int(argument) for argument in sys.argv[1:4])
    _allow_open_files(settings.WEB_CONNECTIONS + _OTHER_OPEN_FILES)
    asyncio.run(_serve(socket.socket(fileno=listening), ready, supervisor))
    # Without waiting for threads: what they still do has no client any more.
    sys.stderr.flush()
    os._exit(0)


async def _serve(listening: socket.socket, ready: int, supervisor: int) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_reader(supervisor, stopping.set)
    streams = LiveStreams(settings.LIVE_MAX_VIEWERS)
    front = Front(application, streams, limits_of_settings(), settings.WEB_THREADS)
    server = await loop.create_server(lambda: Connection(front), sock=listening, backlog=_BACKLOG)
    checks = loop.create_task(front.check_times())
    os.write(ready, b"\n")
    os.close(ready)
    await stopping.wait()
    loop.remove_reader(supervisor)
    server.close()
    await front.stop()
    checks.cancel()


def _allow_open_files(count: int) -> None:
    """A client is an open file, of which a shell allows few unless it is asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()

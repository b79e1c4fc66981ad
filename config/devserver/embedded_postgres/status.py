"""Whether a private server takes connections."""

import socket

from .location import SOCKET_NAME, Server
from .locks import is_locked_exclusively


def is_running(server: Server) -> bool:
    """Whether the server takes connections and has a supervisor, without which it soon stops."""
    return is_locked_exclusively(server.base / "supervisor.lock") and ready_pid(server) is not None


def ready_pid(server: Server) -> int | None:
    """The pid of the postgres that takes connections now, else None.

    The socket is checked before the pid file, since postgres replaces the file of its predecessor
    before it listens.
    """
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(server.socket_dir / SOCKET_NAME))
        lines = (server.data / "postmaster.pid").read_text().splitlines()
        return int(lines[0]) if lines[7].strip() == "ready" else None
    except (OSError, IndexError):
        return None

"""A private PostgreSQL server that runs as long as its clients.

Each client process holds a shared lock on `clients.lock`, which the kernel frees however the
process ends. One detached supervisor owns `postgres`. It restarts `postgres` when it dies, and
stops it once it has held that lock exclusively for a grace period.

In the base directory:
    clients.lock     shared by the clients; exclusive while the server is being stopped
    start.lock       held by the one client that prepares and launches
    supervisor.lock  held by the supervisor, whose pid it contains
    log              of the supervisor and of PostgreSQL
    postgres/        the server's own: its data, and its socket unless that path is too long
    binaries-*/      a copy, where root's virtual environment is out of the server account's reach

Standard library only, apart from `upgrading`: the supervisor runs without site-packages.
"""

from .binaries import WHEELS
from .client import GRACE_VARIABLE, ensure_running
from .location import EmbeddedPostgresError, Server, locate

__all__ = [
    "GRACE_VARIABLE",
    "WHEELS",
    "EmbeddedPostgresError",
    "Server",
    "ensure_running",
    "locate",
]

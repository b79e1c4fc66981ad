"""`python -m config.devserver.start`: prepares the database and runs the Procfile's processes.

A port in use ends the start before anything is changed. Without the database the start blocks
until there is one. The addresses are printed last, once every process responds. A process that ends
starts again. Ctrl-C ends all processes with status 0.
"""

import argparse
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime, timedelta
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import FrameType
from urllib.request import urlopen

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, OperationalError, connection
from django.utils import timezone

from config.api.limited_log import first_line
from config.api.sql.requirements import check_server
from config.static_files import collect_changed

from .processes import Processes
from .schema_history import delete_everything, require_known_history

PROJECT = Path(__file__).resolve().parents[2]
# A process that does not respond within this time is named, and the others run on.
READY_SECONDS = 60
POLL_SECONDS = 0.3
_ADDRESSES = (("pages", ""), ("API", "api/events/"), ("docs", "api/docs/"), ("admin", "admin/"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m config.devserver.start")
    parser.add_argument(
        "--sample-data", action="store_true", help="Load it into an empty database."
    )
    parser.add_argument(
        "--new-database", action="store_true", help="Delete everything in the private PostgreSQL."
    )
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        logins = _prepare(sample_data=arguments.sample_data, is_new=arguments.new_database)
    except (ImproperlyConfigured, CommandError) as error:
        sys.exit(f"Cannot start: {error}")
    except KeyboardInterrupt:
        sys.exit(0)
    _set_environment()
    _require_free_port()  # Another checkout may have bound it meanwhile.
    _run(logins)


def _prepare(*, sample_data: bool, is_new: bool) -> str:
    """Migrate and load the sample data; returns the text about its logins."""
    _require_free_port()
    django.setup()
    _wait_for_database()
    if is_new:
        delete_everything()
    require_known_history()
    call_command("migrate", verbosity=0)
    collect_changed()
    import_module("config.docs").build_document()  # which needs the setup of Django
    output = StringIO()
    if sample_data:
        call_command("load_sample_data", if_empty=True, stdout=output)
    connection.close()
    return output.getvalue()


def _wait_for_database() -> None:
    """Block until there is a database. Raises `ImproperlyConfigured` if it cannot be used."""
    is_reported = False
    while True:
        try:
            check_server(connection)
        except OperationalError as error:
            connection.close()
            if not is_reported:
                sys.stderr.write(f"Waiting for the database: {first_line(error)}\n")
                is_reported = True
            time.sleep(POLL_SECONDS)
        else:
            return


# --- Ports --------------------------------------------------------------------------------------


def _require_free_port() -> None:
    """End with one line when the port is in use.

    The web server shares its port (SO_REUSEPORT), so two checkouts could start on one port, and
    each would receive some of the requests.
    """
    host, port = settings.HOST, settings.PORT
    if not _is_free(host, port):
        sys.exit(
            f"Port {port} of {host} is taken, perhaps by another checkout. "
            f"Stop that one, or choose another port: PORT={port + 1 if port < 65535 else port - 1}"
        )


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with closing(socket.create_server((host, port), family=family)):
            pass
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            sys.exit(f"Cannot listen on {host} port {port}: {error.strerror}")
        return False
    # A browser tries ::1 first for localhost.
    with suppress(OSError), closing(socket.create_connection(("localhost", port), timeout=1)):
        return False
    return True


def _set_environment() -> None:
    """Set the variables of the processes: the defaults on a machine of one's own, and the path."""
    os.environ.setdefault("WEB_CONCURRENCY", str(os.cpu_count() or 2))
    binaries = Path(sys.executable).parent
    os.environ["PATH"] = f"{binaries}{os.pathsep}{os.environ['PATH']}"


# --- Processes ----------------------------------------------------------------------------------


def _run(logins: str) -> None:
    """Run the Procfile until Ctrl-C or SIGTERM."""
    processes = Processes(_commands(), PROJECT)
    stopping = threading.Event()

    def stop(signal_number: int, frame: FrameType | None) -> None:
        stopping.set()
        processes.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    announcer = threading.Thread(
        target=_announce, args=(logins, timezone.now(), stopping), name="announcer", daemon=True
    )
    announcer.start()
    processes.run()


def _commands() -> dict[str, str]:
    """The commands of the Procfile's processes. `release` ends, and the start has migrated."""
    lines = (PROJECT / "Procfile").read_text().splitlines()
    commands = dict(line.split(": ", 1) for line in lines)
    return {name: command for name, command in commands.items() if name != "release"}


def _announce(logins: str, started_at: datetime, stopping: threading.Event) -> None:
    """Print the addresses once each process responds."""
    checks = _checks(started_at)
    deadline = time.monotonic() + READY_SECONDS
    while checks and time.monotonic() < deadline:
        if stopping.wait(POLL_SECONDS):
            return
        checks = {name: responds for name, responds in checks.items() if not responds()}
    connection.close()
    if stopping.is_set():
        return
    silent = f" Not responding yet: {', '.join(checks)}." if checks else ""
    lines = [f"Ready.{silent} Ctrl-C stops everything.", ""]
    for name, path in _ADDRESSES:
        lines.append(f"{name:>7}  {settings.PUBLIC_URL}/{path}")
    sys.stdout.write("\n".join(["", *lines, "", logins]) + "\n")
    sys.stdout.flush()


def _checks(started_at: datetime) -> dict[str, Callable[[], bool]]:
    """A check for each process of the Procfile: whether it responds."""
    is_any = settings.HOST in {"0.0.0.0", "::"}  # noqa: S104  # nosec
    host = "127.0.0.1" if is_any else settings.HOST
    netloc = f"[{host}]" if ":" in host else host

    def web_responds() -> bool:
        address = f"http://{netloc}:{settings.PORT}/readyz"
        with suppress(OSError), urlopen(address, timeout=5) as response:  # nosec
            return bool(response.status == 200)
        return False

    checks = {
        "web": web_responds,
        "worker": lambda: _worker_responds(started_at),
        "mailer": _mailer_responds,
    }
    return {name: check for name, check in checks.items() if name in _commands()}


def _worker_responds(started_at: datetime) -> bool:
    from procrastinate.contrib.django.models import ProcrastinateWorker  # noqa: PLC0415  # after setup()

    since = started_at - timedelta(seconds=1)
    with suppress(DatabaseError):
        return ProcrastinateWorker.objects.filter(last_heartbeat__gte=since).exists()
    return False


def _mailer_responds() -> bool:
    from accounts.notifications import outbox  # noqa: PLC0415  # after setup()

    with suppress(DatabaseError):
        return bool(outbox.mailers.running())
    return False


if __name__ == "__main__":
    main()

"""Starts every process of the Procfile together: `python -m config.start`."""

import os
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.env import at_port


def _live_place() -> tuple[int, str]:
    """Port and address of the live process; where its own is taken and not said, any free port."""
    if os.environ.get("LIVE_PORT"):
        return settings.LIVE_PORT, settings.LIVE_URL
    port = _free_port(settings.LIVE_PORT)
    address = settings.LIVE_URL if os.environ.get("LIVE_URL") else None
    return port, address or at_port(settings.PUBLIC_URL, port)


def _free_port(wanted: int) -> int:
    host = os.environ.get("HOST") or "127.0.0.1"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in (wanted, 0):
        with suppress(OSError), closing(socket.create_server((host, port), family=family)) as found:
            return int(found.getsockname()[1])
    return wanted  # the server will say what is wrong with it


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        address = settings.PUBLIC_URL
        port = str(settings.PORT)
        live_port, live_url = _live_place()
    except ImproperlyConfigured as error:
        sys.exit(f"Configuration error: {error}")
    # honcho gives each process a PORT of its own, so what depends on it is settled here.
    os.environ["PUBLIC_URL"] = address
    os.environ["LIVE_PORT"], os.environ["LIVE_URL"] = str(live_port), live_url
    os.environ.setdefault("WEB_CONCURRENCY", str(os.cpu_count() or 2))
    binaries = Path(sys.executable).parent
    os.environ["PATH"] = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    for name, path in (("API", "api/events/"), ("docs", "api/docs/"), ("admin", "admin/")):
        sys.stdout.write(f"{name:>6}  {address}/{path}\n")
    sys.stdout.flush()
    os.execv(  # noqa: S606  # the terminal's signals go straight to honcho
        sys.executable,
        # Settings have read .env; honcho would let it win over the real environment.
        [sys.executable, "-m", "honcho", "--env", os.devnull, "start", "--port", port],
    )


if __name__ == "__main__":
    main()

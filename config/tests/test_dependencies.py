"""The check of dependencies reports vulnerabilities, and packages that it cannot check."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "check_dependencies.py"
GOOD = {"name": "django", "version": "5.2.19", "vulns": []}
BAD = {"name": "pillow", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "segno", "skip_reason": "not found"}


@pytest.fixture
def check(monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("check_dependencies", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def run(answer: object) -> tuple[int, str]:
        def run_stub(*args, **kwargs):
            if isinstance(answer, Exception):
                raise answer
            return subprocess.CompletedProcess([], 0, stdout=answer)

        monkeypatch.setattr(script.subprocess, "run", run_stub)
        return script.main(), capsys.readouterr().out

    return run


def feed(*dependencies: dict) -> str:
    return json.dumps({"dependencies": dependencies})


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (feed(GOOD), 0, "No known vulnerability in 1 dependencies."),
        (feed(GOOD, BAD), 1, "pillow 1.0: CVE-1, fixed in 1.1"),
        (feed(GOOD, UNKNOWN), 0, "does not know: segno."),
        (feed(UNKNOWN), 0, "Dependencies NOT CHECKED"),
        ("", 0, "Dependencies NOT CHECKED"),
        (subprocess.TimeoutExpired("pip-audit", 1), 0, "Dependencies NOT CHECKED"),
    ],
)
def test_feed_response_is_reported(check, answer, status, words):
    code, output = check(answer)

    assert (code, words in output) == (status, True)

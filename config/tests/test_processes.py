"""The processes of `make serve`."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# A supervisor of two commands; `once` ends with status 3 each time, `long` runs on.
SUPERVISOR = """
import signal, sys
from pathlib import Path
from config.devserver.processes import Processes

processes = Processes({"once": sys.argv[1], "long": sys.argv[2]}, Path.cwd())
signal.signal(signal.SIGTERM, lambda *_: processes.stop())
processes.run()
"""
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def supervisor() -> Iterator[subprocess.Popen[str]]:
    python = sys.executable
    once = f"{python} -c 'import sys; print(\"begun\", flush=True); sys.exit(3)'"
    long = f"{python} -c 'import signal; print(\"long\", flush=True); signal.pause()'"
    process = subprocess.Popen(
        [python, "-c", SUPERVISOR, once, long],
        cwd=PROJECT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        yield process
        if process.poll() is None:
            process.terminate()


def test_process_that_ends_starts_again_and_the_others_run_on(supervisor):
    lines = iter(supervisor.stdout.readline, "")

    output = [next(lines) for _ in range(4)]
    supervisor.send_signal(signal.SIGTERM)
    rest = list(lines)

    assert sorted(output) == [
        "long | long\n",
        "once | It ended with status 3 and starts again in 1 s.\n",
        "once | begun\n",
        "once | begun\n",
    ]
    assert supervisor.wait(60) == 0
    assert not [line for line in rest if re.match("long.*ended", line)]


def test_process_that_cannot_be_started_is_reported_and_tried_again():
    python = sys.executable
    process = subprocess.Popen(
        [python, "-c", SUPERVISOR, "/missing/program", f"{python} -c 'input()'"],
        cwd=PROJECT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        output = [line for _ in range(6) if "once" in (line := process.stdout.readline())]
        process.send_signal(signal.SIGTERM)
        process.stdout.read()

    assert any("cannot be started: " in line for line in output)
    assert "once | It ended with status 127 and starts again in 1 s.\n" in output
    assert process.wait(60) == 0

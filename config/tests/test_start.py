"""`make run` with real processes, a new database and README's own commands."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from config.devserver.embedded_postgres import locate
from config.devserver.start import _commands

PROJECT = Path(__file__).resolve().parents[2]
READY_SECONDS = 120


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


def start(data_dir: Path, port: int, output) -> subprocess.Popen:
    variables = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        "EMBEDDED_POSTGRES_GRACE_SECONDS": "0",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "config.devserver.start", "--sample-data"],
        cwd=PROJECT,
        env=variables,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # as a terminal gives each command a group of its own
    )


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    """A running `make run`: its port, its output up to "Ready", and the process."""
    data_dir = tmp_path_factory.mktemp("run")
    log = data_dir / "output"
    port = free_port()
    with log.open("w") as output:
        process = start(data_dir / "data", port, output)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while "Sign in with" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield port, log, process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        server = locate(data_dir / "data" / "postgres")
        deadline = time.monotonic() + 30
        while (server.data / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        shutil.rmtree(server.base, ignore_errors=True)


def test_start_runs_every_process_of_the_procfile_but_the_release_phase():
    assert list(_commands()) == ["web", "worker", "mailer"]


def test_start_with_a_taken_port_prints_one_line_and_touches_nothing(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        process = start(tmp_path / "data", port, subprocess.PIPE)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert output == (
        f"Port {port} of 127.0.0.1 is taken, perhaps by another checkout. "
        f"Stop that one, or choose another port: PORT={port + 1}\n"
    )
    assert not (tmp_path / "data" / "postgres" / "postgres").exists()


def test_start_with_an_address_of_another_machine_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HOST", "192.0.2.1")
    process = start(tmp_path / "data", 8000, subprocess.PIPE)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert output.startswith(
        "Cannot listen on 192.0.2.1 port 8000: Cannot assign requested address"
    )


@pytest.mark.xdist_group("start")
def test_start_prints_the_addresses_and_logins_once_everything_responds(application):
    port, log, _ = application

    _, _, ready = log.read_text().partition("\nReady. Ctrl-C stops everything.\n")
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as client:
        client.request("GET", "/api/events/?page_size=1")
        body = json.loads(client.getresponse().read())

    assert f"  pages  http://localhost:{port}/\n" in ready
    assert f"http://localhost:{port}/api/docs/" in ready
    assert "demo@example.com     demo-password-2027" in ready
    assert len(body["results"]) == 1


@pytest.mark.xdist_group("start")
def test_readme_commands_run_in_order_and_check_an_attendee_in(application):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    port, _, _ = application
    readme = (PROJECT / "README.md").read_text()
    section = readme.partition("## The main job, with curl")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    script = "set -e\n" + "\necho '#####'\n".join(blocks).replace("--max-time 10", "--max-time 2")
    script = script.replace("/stream\n", "/stream || [ $? = 28 ]\n")  # curl's time is up

    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    outputs = done.stdout.split("#####\n")
    found, registered, door = outputs[3], outputs[4], outputs[5]
    assert found.count('"name": "Deccan Web Summit"') == 2
    assert re.findall(r'"code": "(\w+)"', registered) == ["already_registered", "event_full"]
    assert '"already_checked_in": false' in door
    assert "BEGIN:VCALENDAR" in outputs[-1]
    assert "data:" in outputs[-1]


@pytest.mark.xdist_group("start")
def test_interrupt_ends_every_process_with_status_0(application):
    _, log, process = application

    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(30) == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert "Traceback" not in log.read_text()

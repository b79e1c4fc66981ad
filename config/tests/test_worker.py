"""The worker as the Procfile starts it."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateWorker

from config.tests.proxies import Proxy
from registrations.tests.deployment import wait_for

PROJECT = Path(__file__).parents[2]


def address(port: int) -> str:
    database = connection.settings_dict
    return f"postgresql://{database['USER']}@127.0.0.1:{port}/{database['NAME']}?sslmode=disable"


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture
def worker(proxy, tmp_path, transactional_db) -> Iterator[subprocess.Popen[str]]:
    """A worker that reaches the database by the proxy."""
    lines = (PROJECT / "Procfile").read_text().splitlines()
    (command,) = (line.partition(": ")[2] for line in lines if line.startswith("worker: "))
    process = subprocess.Popen(
        [sys.executable, *shlex.split(command)[1:]],
        cwd=PROJECT,
        env={
            **os.environ,
            "DATABASE_URL": address(proxy.port),
            "PGPASSWORD": connection.settings_dict["PASSWORD"],
            "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz",
            "LOG_FORMAT": "json",
            "LIVENESS_PATH": str(tmp_path / "alive"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        if process.poll() is None:
            process.kill()


@pytest.mark.timeout(180)
def test_worker_starts_again_when_the_database_is_back(worker, proxy, tmp_path):
    wait_for(ProcrastinateWorker.objects.exists)
    is_reported_alive = (tmp_path / "alive").exists()
    first = ProcrastinateWorker.objects.get()
    proxy.close()
    lines = iter(worker.stderr.readline, "")
    report = next(line for line in lines if "the worker starts again" in line)

    other = proxy.successor(proxy.port)
    wait_for(lambda: ProcrastinateWorker.objects.exclude(pk=first.pk).exists())
    worker.terminate()
    list(lines)
    other.close()

    assert worker.wait(60) == 0
    assert is_reported_alive
    assert "Traceback" not in report

"""Web processes and PostgreSQL are killed in the middle of load; nothing acknowledged is lost."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest

from config.embedded_postgres import Server, locate

ROOT = Path(__file__).resolve().parents[2]
SET_UP = """
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from events.models import Event
user = User.objects.create_user("olga@example.com", None)
start = timezone.now() + timedelta(days=1)
event = Event.objects.create(name="Sale", location="-", organizer=user, start_time=start,
    end_time=start + timedelta(hours=1), max_capacity=1_000_000)
print(event.pk)
"""
REGISTERED = """
from registrations.models import Registration
print(*Registration.objects.filter(status="confirmed").values_list("id", flat=True))
"""


class House:
    """The application as its own processes on its own database."""

    def __init__(self, data_dir: Path) -> None:
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "DATA_DIR": str(data_dir),
            "EMBEDDED_POSTGRES_GRACE_SECONDS": "1",
            "RATE_LIMITS": "off",
        }
        self.postgres: Server = locate(data_dir / "postgres")
        self.port = free_port()
        self.web: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        self.web = subprocess.Popen(
            [
                sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(self.port),
                "--workers", "2", "--blocking-threads", "4", "--respawn-failed-workers",
                "config.wsgi:application",
            ],
            cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self.is_up)

    def is_up(self) -> bool:
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as client,
        ):
            client.request("GET", "/readyz")
            return client.getresponse().status == 200
        return False

    def kill_a_web_process(self) -> None:
        assert self.web is not None
        children = Path(f"/proc/{self.web.pid}/task/{self.web.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)

    def kill_postgres(self) -> None:
        pid = (self.postgres.data / "postmaster.pid").read_text().splitlines()[0]
        os.kill(int(pid), signal.SIGKILL)

    def stop(self) -> None:
        if self.web is not None:
            self.web.terminate()
            self.web.wait(20)
        wait_for(lambda: not (self.postgres.data / "postmaster.pid").exists())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    if not Path("/proc/self/task").exists():
        pytest.skip("finds the processes to kill in /proc")
    tmp_path.chmod(0o755)
    house = House(tmp_path / "data")
    try:
        yield house
    finally:
        house.stop()
        time.sleep(1.5)  # the supervisor leaves after its database
        shutil.rmtree(house.postgres.base, ignore_errors=True)


def load(house: House, event_id: int, number: int, done: Flag, acknowledged: list[str]) -> None:
    """Registers new addresses until told to stop; keeps the ids that were answered with 201."""
    attempt = 0
    while not done.is_set():
        attempt += 1
        body = json.dumps({"name": "N", "email": f"n{number}-{attempt}@example.com"})
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection("127.0.0.1", house.port, timeout=10)) as client,
        ):
            client.request(
                "POST",
                f"/api/events/{event_id}/register/",
                body,
                {"Content-Type": "application/json"},
            )
            answer = client.getresponse()
            content = answer.read()
            assert answer.status in {201, 503}, content
            if answer.status == 201:
                acknowledged.append(json.loads(content)["id"])


def test_no_acknowledged_registration_is_lost(house):
    house.manage("migrate", "--verbosity", "0")
    event_id = int(house.manage("shell", "--verbosity", "0", "--command", SET_UP))
    house.start()
    done, acknowledged = Flag(), []
    threads = [
        Thread(target=load, args=(house, event_id, number, done, acknowledged))
        for number in range(6)
    ]
    for thread in threads:
        thread.start()

    milestones = []
    for kill in (house.kill_a_web_process, house.kill_postgres, house.kill_a_web_process):
        before = len(acknowledged)
        wait_for(lambda before=before: len(acknowledged) >= before + 50)
        kill()
        milestones.append(len(acknowledged))
    wait_for(lambda: len(acknowledged) >= milestones[-1] + 50)
    done.set()
    for thread in threads:
        thread.join(30)

    kept = set(house.manage("shell", "--verbosity", "0", "--command", REGISTERED).split())
    assert set(acknowledged) <= kept
    assert "ok: " in house.manage("check_integrity")

"""Crashes of web processes and PostgreSQL under load lose no acknowledged registration."""

import http.client
import json
from contextlib import closing, suppress
from threading import Event as Flag
from threading import Thread

from registrations.tests.deployment import Deployment, wait_for

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


def load(
    deployment: Deployment, event_id: int, number: int, done: Flag, acknowledged: list[str]
) -> None:
    """Registers new addresses until `done` is set; collects the ids of responses with 201."""
    attempt = 0
    while not done.is_set():
        attempt += 1
        body = json.dumps({"name": "N", "email": f"n{number}-{attempt}@example.com"})
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection("127.0.0.1", deployment.port, timeout=10)) as client,
        ):
            client.request(
                "POST",
                f"/api/events/{event_id}/register/",
                body,
                {"Content-Type": "application/json"},
            )
            response = client.getresponse()
            content = response.read()
            assert response.status in {201, 503}, content
            if response.status == 201:
                acknowledged.append(json.loads(content)["id"])


def test_no_acknowledged_registration_is_lost(deployment):
    deployment.manage("migrate", "--verbosity", "0")
    event_id = int(deployment.manage("shell", "--verbosity", "0", "--command", SET_UP))
    deployment.start()
    done, acknowledged = Flag(), []
    threads = [
        Thread(target=load, args=(deployment, event_id, number, done, acknowledged))
        for number in range(6)
    ]
    for thread in threads:
        thread.start()

    milestones = []
    for kill in (
        deployment.kill_a_web_process,
        deployment.kill_postgres,
        deployment.kill_a_web_process,
    ):
        before = len(acknowledged)
        wait_for(lambda before=before: len(acknowledged) >= before + 50)
        kill()
        milestones.append(len(acknowledged))
    wait_for(lambda: len(acknowledged) >= milestones[-1] + 50)
    done.set()
    for thread in threads:
        thread.join(30)

    stored = set(deployment.manage("shell", "--verbosity", "0", "--command", REGISTERED).split())
    assert set(acknowledged) <= stored
    assert "ok: " in deployment.manage("check_integrity")

"""Crashes of web processes and PostgreSQL under load lose nothing that was acknowledged.

Parties of up to six people want the seats of two events, one of each policy of the waitlist, and
some of them cancel.
"""

import http.client
import json
import os
from contextlib import closing, suppress
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest

from registrations.tests.deployment import Deployment, wait_for

# Of one sale for each policy. More of them show rarer faults, on more seats in more time.
SALES = int(os.environ.get("FLASH_SALES", "1"))
SEATS = int(os.environ.get("FLASH_SEATS", "200"))
REGISTRATIONS_BEFORE_A_KILL = SEATS // 4

SET_UP = f"""
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from events.models import Event
user, _ = User.objects.get_or_create(email="olga@example.com", username="olga")
start = timezone.now() + timedelta(days=1)
for policy in ("strict", "first_fit"):
    event = Event.objects.create(name="Sale", location="-", organizer=user, start_time=start,
        end_time=start + timedelta(hours=1), max_capacity={SEATS}, max_party_size=6,
        waitlist_enabled=True, waitlist_policy=policy)
    print(event.pk)
"""
REGISTERED = """
import json
from registrations.models import Registration
rows = Registration.objects.values_list("id", "status", "party_size")
print(json.dumps({str(pk): facts for pk, *facts in rows}))
"""


@dataclass
class Sale:
    """What clients send, and what the responses acknowledge."""

    deployment: Deployment
    event_ids: list[int]
    is_over: Flag = field(default_factory=Flag)
    registered: dict[str, tuple[str, int]] = field(default_factory=dict)
    cancelling: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)

    def run_client(self, number: int) -> None:
        """Registers parties until the sale is over, and cancels every third of them."""
        attempt = 0
        while not self.is_over.is_set():
            attempt += 1
            made = self.register(
                self.event_ids[attempt % len(self.event_ids)],
                f"n{number}-{attempt}@example.com",
                party_size=1 + (number + attempt) % 6,
            )
            if made is not None and attempt % 3 == 0:
                self.cancel(made["id"], made["manage_token"])

    def wait_for_more(self) -> None:
        wanted = len(self.registered) + REGISTRATIONS_BEFORE_A_KILL
        wait_for(lambda: len(self.registered) >= wanted, 120)

    def register(self, event_id: int, email: str, party_size: int) -> Any:
        body = {"name": "N", "email": email, "party_size": party_size}
        status, content = self.send("POST", f"/api/events/{event_id}/register/", body)
        if status != 201:
            return None
        made = json.loads(content)
        self.registered[made["id"]] = made["status"], party_size
        return made

    def cancel(self, pk: str, token: str) -> None:
        self.cancelling.add(pk)
        status, _ = self.send("DELETE", f"/api/registrations/{pk}/?token={token}")
        if status == 204:
            self.cancelled.add(pk)

    def send(self, method: str, path: str, body: Any = None) -> tuple[int | None, bytes]:
        """The response; a status of None if the connection breaks."""
        port = self.deployment.port
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as client,
        ):
            content = json.dumps(body) if body else None
            client.request(method, path, content, {"Content-Type": "application/json"})
            response = client.getresponse()
            content = response.read()
            assert response.status in {201, 204, 503}, content
            return response.status, content
        return None, b""


@pytest.mark.xdist_group("processes")  # takes long, so it begins early
def test_nothing_acknowledged_is_lost(deployment):
    deployment.start()

    for _ in range(SALES):
        made = deployment.manage("shell", "--verbosity", "0", "--command", SET_UP)
        sale = Sale(deployment, [int(pk) for pk in made.split()])
        run_with_kills(sale)

        listed = deployment.manage("shell", "--verbosity", "0", "--command", REGISTERED)
        assert_has_acknowledged(json.loads(listed), sale)
        assert "ok: " in deployment.manage("check_integrity")


def run_with_kills(sale: Sale) -> None:
    threads = [Thread(target=sale.run_client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    kills = (
        sale.deployment.kill_a_web_process,
        sale.deployment.kill_postgres,
        sale.deployment.kill_a_web_process,
    )
    try:
        for kill in kills:
            sale.wait_for_more()
            kill()
        sale.wait_for_more()
    finally:
        sale.is_over.set()
        for thread in threads:
            thread.join(30)


def assert_has_acknowledged(stored: dict[str, Any], sale: Sale) -> None:
    for pk, (status, party_size) in sale.registered.items():
        assert stored[pk][1] == party_size
        if pk in sale.cancelled:
            assert stored[pk][0] == "cancelled"
        elif pk not in sale.cancelling:
            assert stored[pk][0] in {status, "confirmed"}  # the waitlist is promoted
    assert sale.cancelled
    assert {status for status, _ in sale.registered.values()} == {"confirmed", "waitlisted"}

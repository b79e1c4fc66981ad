"""Exports by real server processes to clients that stall or disconnect."""

import http.client
import socket
from contextlib import ExitStack, closing

import pytest

from registrations.tests.deployment import wait_for

# 60,000 people, more than the kernel buffers for a client that reads nothing.
SET_UP = """
from datetime import timedelta
from django.db import connection
from django.utils import timezone
from accounts.models import User
from accounts.tokens import open_session
from events.models import Event
user = User.objects.create_user("olga@example.com", None)
start = timezone.now() + timedelta(days=1)
event = Event.objects.create(name="Fair", location="-", organizer=user, start_time=start,
    end_time=start + timedelta(hours=1), registered_count=60_000)
with connection.cursor() as cursor:
    cursor.execute(
        "INSERT INTO registrations_registration"
        " (id, event_id, name, email, status, ticket_code, registered_at, confirmed_at)"
        " SELECT gen_random_uuid(), %s, repeat('N', 100), n || '@example.com', 'confirmed',"
        " lpad(n::text, 16, '0'), now(), now() FROM generate_series(1, 60000) n", [event.pk]
    )
print(event.pk, open_session(user)["access"])
"""
OPEN_TRANSACTIONS = """
    SELECT pid, query FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND query LIKE '%chosen%'
        AND (state <> 'idle' OR backend_xmin IS NOT NULL)
"""
# Blocks while a transaction reads the table, as a migration does.
ALONE = "SET lock_timeout = '20s'; BEGIN; LOCK TABLE registrations_registration; ROLLBACK"


class Reader:
    """A client that requests an export and reads only its first bytes."""

    def __init__(self, port: int, path: str, token: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        self.socket.sendall(request.encode())

    def close(self) -> None:
        self.socket.close()

    def status(self) -> int:
        return int(self.socket.recv(64).split()[1])


def get(port: int, path: str, token: str = "") -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as client:
        client.request("GET", path, headers=headers)
        response = client.getresponse()
        return response.status, response.read()


@pytest.mark.xdist_group("processes")  # takes long, so it begins early
def test_stalled_clients_do_not_block_others(deployment):
    output = deployment.manage("shell", "--verbosity", "0", "--command", SET_UP)
    event_id, token = output.split()
    export = f"/api/events/{event_id}/attendees/export/"
    deployment.start()

    for format_ in ("csv", "json"):
        with ExitStack() as stack:
            readers = [
                stack.enter_context(
                    closing(Reader(deployment.port, f"{export}?format={format_}", token))
                )
                for _ in range(16)
            ]
            statuses = [reader.status() for reader in readers]

            assert set(statuses) == {200, 503}
            assert statuses.count(200) <= 4  # half the threads of two processes
            for _ in range(20):
                assert get(deployment.port, "/api/events/")[0] == 200
            wait_for(lambda: deployment.sql(OPEN_TRANSACTIONS) == [])
            deployment.sql(ALONE)

        for _ in range(4):  # the disconnected clients have freed their threads
            wait_for(lambda: is_read_whole(deployment.port, export, token))


def is_read_whole(port: int, path: str, token: str) -> bool:
    status, body = get(port, path, token)
    assert status in {200, 503}
    assert status == 503 or body.count(b"\r\n") == 60_001
    return status == 200

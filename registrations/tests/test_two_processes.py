"""A write of one server process is visible to another at once: only clients cache responses."""

import copy
import http.client
import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from config.tests.server import free_port
from registrations.tests.deployment import Deployment

TOKEN = """
from accounts.models import User
from accounts.tokens import open_session
print(open_session(User.objects.create_user("olga@example.com", None))["access"])
"""
FAIR = {"name": "Fair", "location": "Hall", "start_time": "2099-03-15T09:00:00Z", "max_capacity": 1}


@pytest.fixture
def other(deployment) -> Iterator[Deployment]:
    """A second server on the same database."""
    deployment.start()
    other = copy.copy(deployment)
    other.port = free_port()
    other.start()
    yield other
    other.web.terminate()
    other.web.wait(20)


class Client:
    def __init__(self, deployment: Deployment, token: str = "") -> None:
        self.port = deployment.port
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def request(self, method: str, path: str, body: dict | None = None, **headers: str):
        """Status, headers and JSON of the response."""
        sent = {"Content-Type": "application/json", **self.headers, **headers}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as client:
            client.request(method, path, json.dumps(body) if body else None, sent)
            response = client.getresponse()
            content = response.read()
            return response.status, response.headers, json.loads(content) if content else None


@pytest.mark.xdist_group("processes")  # takes long, so it begins early
def test_no_process_serves_stale_data_after_a_write_of_another(deployment, other):
    token = deployment.manage("shell", "--verbosity", "0", "--command", TOKEN).strip()
    writer, reader = Client(deployment, token), Client(other)
    lists = ("/api/events/", "/api/events/?search=fair", "/api/events/?available=true")
    known: dict[str, str] = {}

    def listed(path: str) -> list[tuple]:
        """Name and count of each event. A conditional request with an older ETag gets the list."""
        condition = {"If-None-Match": known[path]} if path in known else {}
        status, headers, page = reader.request("GET", path, **condition)
        assert status == 200
        known[path] = headers["ETag"]
        assert headers["Cache-Control"] == "no-cache"
        vary = {name.strip() for name in headers["Vary"].split(",")}
        assert {"Accept", "Authorization", "Time-Zone"} <= vary
        assert reader.request("GET", path, **{"If-None-Match": known[path]})[0] == 304
        return [(event["name"], event["registered_count"]) for event in page["results"]]

    assert [listed(path) for path in lists] == [[], [], []]

    body = writer.request("POST", "/api/events/", FAIR)[2]
    event = f"/api/events/{body['id']}/"
    assert [listed(path) for path in lists] == [[("Fair", 0)]] * 3

    writer.request("PATCH", event, {"name": "Big fair"})
    assert [listed(path) for path in lists] == [[("Big fair", 0)]] * 3

    guest = {"name": "Ana", "email": "ana@example.com"}
    assert writer.request("POST", f"{event}register/", guest)[0] == 201
    assert [listed(path) for path in lists] == [[("Big fair", 1)], [("Big fair", 1)], []]
    assert reader.request("GET", event)[2]["registration_state"] == "full"

    assert writer.request("DELETE", event)[0] == 204
    assert [listed(path) for path in lists[:2]] == [[], []]
    assert reader.request("GET", event)[0] == 404

    assert writer.request("GET", lists[0])[1]["Cache-Control"] == "private, no-cache"

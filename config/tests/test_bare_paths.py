"""`/events…` is served exactly as `/api/events…`, through the whole WSGI application."""

import json
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.test import RequestFactory

from config.api.http.body_limits import body_limit
from config.api.http.rate_limits import clear_local_counts
from config.wsgi import application
from registrations.models import Registration

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

HEADERS = {"Host": "localhost:8000", "X-Request-ID": "one-and-the-same"}


@pytest.fixture(autouse=True)
def _keep_the_connection_of_the_test():
    """Django's test client, which other tests use, leaves both signals connected."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def ask(method: str, path: str, body: bytes = b"", **headers: str) -> tuple[str, dict, bytes]:
    """Status line, headers and body."""
    made = RequestFactory().generic(
        method, path, body, content_type="application/json", headers={**HEADERS, **headers}
    )
    status_and_headers: list[Any] = []
    environ = {**made.environ, "SERVER_PORT": "8000"}
    pieces = application(environ, lambda *head, **_: status_and_headers.extend(head))
    content = b"".join(pieces)
    return status_and_headers[0], dict(status_and_headers[1]), content


def ask_and_undo(method: str, path: str, body: bytes) -> tuple[str, dict, bytes]:
    savepoint = connection.savepoint()
    clear_local_counts()
    response = ask(method, path, body)
    connection.savepoint_rollback(savepoint)
    return response


@pytest.mark.parametrize(
    ("method", "below", "status"),
    [
        ("GET", "", 200),
        ("GET", "/", 200),
        ("GET", "?page_size=1&count=true", 200),
        ("GET", "/?page_size=0", 400),
        ("HEAD", "", 200),
        ("OPTIONS", "", 204),
        ("POST", "", 401),
        ("PUT", "/", 405),
        ("GET", "/{pk}", 200),
        ("GET", "/{pk}/", 200),
        ("PATCH", "/{pk}", 401),
        ("DELETE", "/{pk}/", 401),
        ("GET", "/{pk}/calendar.ics", 200),
        ("GET", "/{pk}/attendees", 401),
        ("GET", "/{pk}/stream", 200),
        ("GET", "/calendar.ics", 200),
        ("GET", "/facets", 200),
        ("GET", "/suggest/?q=ev", 200),
        ("GET", "/999999999", 404),
        ("GET", "/no/such/route", 404),
        ("GET", "//", 404),
    ],
)
def test_bare_path_responds_as_the_path_with_the_prefix(event, method, below, status):
    path = f"/events{below.format(pk=event.pk)}"

    bare = ask_and_undo(method, path, b"{}" if method in {"POST", "PATCH", "PUT"} else b"")
    prefixed = ask_and_undo(
        method, f"/api{path}", b"{}" if method in {"POST", "PATCH", "PUT"} else b""
    )

    assert bare == prefixed
    assert bare[0].startswith(str(status))


def test_links_of_a_bare_path_keep_the_prefix(event, olga):
    ask("POST", f"/api/events/{event.pk}/register/", b'{"name": "Bob", "email": "b@example.com"}')

    _, headers, body = ask(
        "POST", f"/events/{event.pk}/register", b'{"name": "Ann", "email": "ann@example.com"}'
    )

    made = json.loads(body)
    assert headers["Location"] == f"http://localhost:8000/api/registrations/{made['id']}/"


def test_an_idempotency_key_is_shared_by_both_paths(event):
    guest = b'{"name": "Ann", "email": "ann@example.com"}'
    key = {"Idempotency-Key": "once"}

    first = ask("POST", f"/events/{event.pk}/register", guest, **key)
    again = ask("POST", f"/api/events/{event.pk}/register/", guest, **key)

    assert again[1]["Idempotent-Replayed"] == "true"
    assert again[2] == first[2]
    assert Registration.objects.count() == 1


def test_a_rate_limit_is_shared_by_both_paths(event, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "anonymous": (1, 60)}

    first = ask("GET", "/events")
    second = ask("GET", "/api/events/")

    assert (first[0], second[0]) == ("200 OK", "429 Too Many Requests")


def test_a_body_may_be_as_large_as_at_the_path_with_the_prefix(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE, settings.MAX_BULK_BODY_BYTES = 100, 1_000

    usual = ask("POST", "/events", b" " * 101)
    bulk = ask("POST", "/events/bulk", b" " * 101)
    too_large = ask("POST", "/events/bulk", b" " * 1_001)

    assert [response[0][:3] for response in (usual, bulk, too_large)] == ["413", "401", "413"]


@pytest.mark.parametrize("below", ["bulk", "import/", "1/attendees/import", "1"])
def test_the_web_server_reads_bodies_of_one_size_at_both_paths(settings, below):
    """The web server checks before any layer has changed the path."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE, settings.MAX_BULK_BODY_BYTES = 100, 1_000

    assert body_limit(f"/events/{below}") == body_limit(f"/api/events/{below}")


def test_the_test_client_of_django_has_bare_paths_too(anyone, event):
    """It calls Django's own handler, without the layers of `config.wsgi`."""
    guest = {"name": "Ann", "email": "ann@example.com"}

    assert anyone.get("/events").json() == anyone.get("/api/events/").json()
    assert anyone.get(f"/events/{event.pk}/calendar.ics").status_code == 200
    assert anyone.post(f"/events/{event.pk}/register", guest).status_code == 201
    assert anyone.get("/eventsx").status_code == 404


def test_other_paths_are_left_alone():
    statuses = [ask("GET", path)[0] for path in ("/eventsx", "/event", "/series/")]

    assert statuses == ["404 Not Found"] * 3

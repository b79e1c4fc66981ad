"""Database connections that the server has ended make no request fail."""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections

from config import connections as config_connections
from config.wsgi import application
from events.tests.factories import EventFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _check_each_request(monkeypatch):
    monkeypatch.setattr(config_connections, "TRUSTED_SECONDS", 0.0)


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    """One of the server's, with connections of its own."""
    with ThreadPoolExecutor(1) as executor:
        yield executor
        executor.submit(connections.close_all).result()


def status_of(thread: ThreadPoolExecutor, path: str, *, body: Any = None) -> str:
    """The status line for a GET, or for a POST of `body` as JSON."""
    head: list[Any] = []
    path, _, query = path.partition("?")
    content = b"" if body is None else json.dumps(body).encode()
    environ = {
        "REQUEST_METHOD": "GET" if body is None else "POST",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(content)),
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "HTTP_HOST": "localhost:8000",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(content),
    }

    def respond() -> None:
        pieces = application(environ, lambda *status_and_headers: head.extend(status_and_headers))
        b"".join(pieces)
        getattr(pieces, "close", lambda: None)()

    thread.submit(respond).result()
    return head[0]


def backend_of(thread: ThreadPoolExecutor) -> int:
    return thread.submit(lambda: connection.connection.info.backend_pid).result()


@pytest.mark.parametrize("path", ["/api/events/", "/api/events/?search=jazz", "/api/categories/"])
def test_request_succeeds_after_the_server_ended_its_connection(thread, olga, path):
    EventFactory(organizer=olga, name="Jazz")
    assert status_of(thread, path) == "200 OK"
    before = backend_of(thread)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [before])

    assert status_of(thread, path) == "200 OK"
    assert backend_of(thread) != before


def test_connection_with_a_notification_stays_open(thread, olga):
    EventFactory(organizer=olga)
    assert status_of(thread, "/api/events/") == "200 OK"
    before = backend_of(thread)
    thread.submit(lambda: connection.cursor().execute("LISTEN news")).result()
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY news")

    assert status_of(thread, "/api/events/") == "200 OK"
    assert backend_of(thread) == before

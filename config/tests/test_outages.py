"""A database that is away, frozen, full or read-only: 503, and no action when it is back."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test import RequestFactory

from config.api.http import exception_handler
from config.api.http.exception_handler import to_domain_error
from config.api.sql.time_limits import LONG_SECONDS, long_statements
from config.api.sql.watched_connection import WatchedConnection
from config.database import MAX_BLOCKED_SECONDS, base, reachability
from config.database.options import STATEMENT_TIMEOUT
from config.database.reachability import RETRY_SECONDS, Reachability
from config.errors import ServerError, TemporarilyUnavailable
from config.middleware import server_error
from config.tests.proxies import Proxy
from config.tests.test_connections import backend_of, status_of
from events.tests.factories import EventFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_earlier_faults(monkeypatch):
    monkeypatch.setattr(base, "_servers", {})
    exception_handler.limited_log.clear()


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    """One of the server's, with connections of its own."""
    with ThreadPoolExecutor(1) as executor:
        yield executor
        executor.submit(connections.close_all).result()


@pytest.fixture
def proxy(monkeypatch) -> Iterator[Proxy]:
    """Between the database and connections that are opened from now on."""
    proxy = Proxy()
    address = {"HOST": "127.0.0.1", "PORT": str(proxy.port)}
    for name, value in address.items():
        monkeypatch.setitem(connections.settings["default"], name, value)
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "sslmode", "disable")
    yield proxy
    proxy.close()


@pytest.fixture
def _refusing(monkeypatch) -> None:
    """No server listens where connections are opened from now on."""
    monkeypatch.setitem(connections.settings["default"], "HOST", "127.0.0.1")
    monkeypatch.setitem(connections.settings["default"], "PORT", "1")


def error_with(sqlstate: str) -> DatabaseError:
    """The error of a statement that PostgreSQL ends with this state."""
    with pytest.raises(DatabaseError) as raised, connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$")
    return raised.value


@pytest.mark.parametrize(
    "sqlstate",
    ["08006", "25006", "53100", "53200", "53300", "55P03", "57014", "57P01", "57P03", "58030"],
)
def test_temporary_fault_of_the_server_is_503(sqlstate):
    error = to_domain_error(error_with(sqlstate))

    assert isinstance(error, TemporarilyUnavailable)
    assert error.headers == {"Retry-After": "2"}


@pytest.mark.parametrize("sqlstate", ["42P01", "XX000", "22012"])
def test_other_fault_of_the_server_is_500(sqlstate):
    assert isinstance(to_domain_error(error_with(sqlstate)), ServerError)


def test_error_of_the_driver_is_503_without_a_wrapper_too():
    assert isinstance(to_domain_error(psycopg.errors.DiskFull()), TemporarilyUnavailable)
    assert isinstance(to_domain_error(psycopg.OperationalError()), TemporarilyUnavailable)
    assert isinstance(to_domain_error(psycopg.errors.UndefinedTable()), ServerError)


@pytest.mark.parametrize("path", ["/admin/", "/api/nothing/"])
def test_fault_outside_of_the_views_is_503(path, caplog):
    request = RequestFactory().get(path)
    fault = error_with("53100")

    try:
        raise fault
    except DatabaseError:
        response = server_error(request)

    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert len(caplog.messages) == 1


@pytest.mark.usefixtures("_refusing")
def test_unreachable_database_is_503_and_one_line(thread, caplog):
    with caplog.at_level(logging.WARNING):
        statuses = {status_of(thread, "/api/events/") for _ in range(50)}
        statuses |= {status_of(thread, "/api/categories/") for _ in range(50)}

    assert statuses == {"503 Service Unavailable"}
    assert [record.exc_info for record in caplog.records] == [None]
    assert caplog.messages[0].startswith("request failed: temporarily_unavailable: Operational")


def test_connection_that_became_read_only_is_replaced(thread, olga):
    event = EventFactory(organizer=olga)
    path = f"/api/events/{event.pk}/register/"
    assert status_of(thread, path, body={"name": "A", "email": "a@example.com"}) == "201 Created"
    before = backend_of(thread)
    thread.submit(
        lambda: connection.cursor().execute("SET default_transaction_read_only = on")
    ).result()

    statuses = [
        status_of(thread, path, body={"name": "B", "email": "b@example.com"}) for _ in range(2)
    ]

    assert statuses == ["503 Service Unavailable", "201 Created"]
    assert backend_of(thread) != before


# --- A server that does not respond -------------------------------------------------------------


def wait_briefly(thread: ThreadPoolExecutor) -> None:
    """The thread's connection has the time limit of a request, only shorter."""

    def shorten() -> None:
        assert connection.connection.max_blocked_seconds == MAX_BLOCKED_SECONDS
        connection.connection.max_blocked_seconds = 0.05

    thread.submit(shorten).result()


@pytest.mark.parametrize("path", ["/api/events/", "/api/categories/"])
def test_request_to_a_frozen_database_ends_with_503(thread, proxy, path):
    assert status_of(thread, path) == "200 OK"
    wait_briefly(thread)
    proxy.freeze()

    statuses = [status_of(thread, path) for _ in range(3)]  # all but the first at once

    assert statuses == ["503 Service Unavailable"] * 3


def test_requests_succeed_when_the_database_responds_again(thread, proxy, monkeypatch):
    assert status_of(thread, "/api/events/") == "200 OK"
    wait_briefly(thread)
    proxy.freeze()
    assert status_of(thread, "/api/events/") == "503 Service Unavailable"
    other = proxy.successor()
    monkeypatch.setitem(connections.settings["default"], "PORT", str(other.port))
    monkeypatch.setattr(reachability, "monotonic", lambda: monotonic() + RETRY_SECONDS)

    status = status_of(thread, "/api/events/")

    thread.submit(connections.close_all).result()
    other.close()
    assert status == "200 OK"


def test_statement_of_a_request_is_limited_and_that_of_a_job_is_not(thread):
    assert status_of(thread, "/api/events/") == "200 OK"

    def limits() -> tuple[str, float | None]:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return cursor.fetchone()[0], connection.connection.max_blocked_seconds

    assert thread.submit(limits).result() == (STATEMENT_TIMEOUT, MAX_BLOCKED_SECONDS)
    with ThreadPoolExecutor(1) as job:  # a thread without requests
        assert job.submit(limits).result() == ("0", None)
        job.submit(connections.close_all).result()


def test_export_may_take_longer_than_other_requests(thread):
    assert status_of(thread, "/api/events/") == "200 OK"

    def limits() -> tuple[str, float]:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return cursor.fetchone()[0], connection.connection.max_blocked_seconds

    def limits_of_export() -> list[tuple[str, float]]:
        with transaction.atomic():
            with long_statements(connection):
                inside = limits()
            return [inside, limits()]

    assert thread.submit(limits_of_export).result() == [
        ("10min", LONG_SECONDS), (STATEMENT_TIMEOUT, MAX_BLOCKED_SECONDS),
    ]  # fmt: skip


def test_attempts_fail_at_once_after_one_that_timed_out(monkeypatch):
    now = 100.0
    monkeypatch.setattr(reachability, "monotonic", lambda: now)
    server = Reachability(attempt_seconds=4)

    def outcome(error: Exception | None = None) -> str:
        try:
            with server.attempt():
                if error:
                    raise error
        except psycopg.Error as raised:
            return str(raised)
        return "connected"

    timeout = psycopg.errors.ConnectionTimeout("time-out")
    assert outcome(timeout) == "time-out"
    assert outcome() == "the database does not respond"
    now = 101.0
    with server.attempt():
        assert outcome() == "the database does not respond"  # while another attempt is made
        now = 106.0
        with pytest.raises(psycopg.errors.ConnectionTimeout), server.attempt():
            raise timeout  # the other has not ended in its time
    assert outcome() == "connected"
    assert outcome(psycopg.OperationalError("refused")) == "refused"
    assert outcome() == "connected"


@pytest.mark.django_db
def test_connection_with_a_response_too_many_is_closed_and_the_fault_is_temporary():
    parameters = connection.get_connection_params()
    broken = WatchedConnection.connect(**parameters)

    def receive():
        yield from ()
        raise psycopg.InternalError("received 2 results from command 'COMMIT'")

    with pytest.raises(psycopg.OperationalError) as raised:
        broken.wait(receive())

    assert broken.closed
    assert isinstance(to_domain_error(raised.value), TemporarilyUnavailable)

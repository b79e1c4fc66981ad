"""The web server with real connections: reused, slow and hostile ones."""

import http.client
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles
from threading import Thread
from time import monotonic, sleep

import pytest

from accounts.tests.factories import UserFactory
from events.tests.factories import EventFactory

from .server import ROOT, ServerProcess, ask, command, wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("server"),
]


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker) -> Iterator[ServerProcess]:
    with django_db_blocker.unblock():
        found = ServerProcess(METRICS_NETWORKS="127.0.0.0/8")
    yield found
    found.stop()


def read_until_closed(client: socket.socket) -> bytes:
    """All that the server sends; a connection that it resets counts as closed."""
    received = b""
    with suppress(ConnectionResetError):
        while piece := client.recv(65536):
            received += piece
    return received


def reset(client: socket.socket) -> None:
    """Close at once, without telling the server by a FIN."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


# --- Kept connections ---


def rejected_requests(event_id: int) -> list[tuple]:
    """Each kind of rejection before the body is read: method, path, headers, status."""
    as_json = {"Content_Type": "application/json"}
    as_text = {"Content_Type": "text/plain"}
    forged = {"Authorization": "Bearer forged", **as_json}
    register = f"/api/events/{event_id}/register/"
    return [
        ("POST", "/api/nowhere/", as_json, 404),
        ("POST", "/api/events/999999999/attendees/import/", as_json, 401),
        ("POST", "/api/events/", as_json, 401),
        ("POST", "/api/events/", forged, 401),
        ("PUT", register, as_json, 405),
        ("POST", register, as_text, 415),
        ("POST", f"{register}?tiemzone=UTC", as_json, 400),
        ("POST", "/api/password/reset/?no=1", as_json, 400),
        ("POST", register, {**as_json, "Host": "elsewhere.example"}, 400),
        ("POST", "/admin/login/", as_json, 403),
        ("POST", "/nowhere", as_json, 404),
        ("POST", "/static/site.css", as_json, 405),
        ("POST", "/healthz", as_json, 200),
        ("POST", f"/api/events/{event_id}/stream", as_json, 405),
        ("POST", "/api/docs/", as_json, 405),
    ]


def test_connection_survives_a_thousand_requests(server):
    event = EventFactory()
    body = b'{"name": "' + b"x" * 30_000 + b'"}'

    with closing(server.client()) as client:
        client.connect()
        used = client.sock
        for method, path, headers, status in islice(cycle(rejected_requests(event.pk)), 500):
            rejection = ask(client, method, path, body, **headers)
            assert (rejection.status, path) == (status, path)
            assert "connection" not in rejection.headers
            assert ask(client, "GET", "/api/events/").status == 200
            assert client.sock is used


def test_a_rate_limit_leaves_the_connection_usable():
    server = ServerProcess(RATE_LIMITS="login=1/hour", WEB_CONCURRENCY="1")
    try:
        with closing(server.client()) as client:
            statuses = [ask(client, "POST", "/api/login/", b"x" * 50_000).status for _ in range(50)]
            used = client.sock
            assert ask(client, "GET", "/api/events/").status == 200
            assert client.sock is used
    finally:
        server.stop()

    assert statuses[1:] == [429] * 49


@pytest.mark.parametrize("path", ["/api/events/", "/events", "/admin/login/", "/static/x", "/"])
def test_a_body_over_the_limit_ends_the_connection_after_the_answer(server, path):
    with closing(server.connect()) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n"
        client.sendall(head.encode())
        with suppress(OSError):  # it stops reading at some time
            for _ in range(30):
                client.sendall(b"x" * 100_000)
        received = read_until_closed(client)

    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in received


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/events/1/image/"), ("POST", "/events")])
def test_client_that_first_sends_all_of_a_large_body_reads_its_413(server, method, path):
    with closing(server.client()) as client:
        client.request(method, path, b"x" * 30_000_000, {"Content-Type": "image/png"})
        response = client.getresponse()

    assert (response.status, response.headers["Connection"]) == (413, "close")


def test_a_chunked_body_over_the_limit_is_too_large(server):
    with closing(server.connect()) as client:
        client.sendall(
            b"POST /api/login/ HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        with suppress(OSError):
            for _ in range(25):
                client.sendall(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
        received = client.recv(65536)

    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in received


def test_client_that_expects_100_gets_it(server):
    with closing(server.connect()) as client:
        head = "POST /api/events/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        client.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        interim = client.recv(65536)
        client.sendall(b"{}")
        final = client.recv(65536)

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert final.startswith(b"HTTP/1.1 401 ")


def test_client_that_expects_100_gets_413_for_a_large_body(server):
    with closing(server.connect()) as client:
        head = "POST /api/events/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n"
        client.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        received = client.recv(65536)

    assert received.startswith(b"HTTP/1.1 413 ")


def test_requests_that_are_sent_at_once_are_answered_in_order(server):
    paths = ["/api/categories/", "/healthz", "/api/nowhere/", "/api/events/"] * 50
    with closing(server.connect()) as client:
        for path in paths[:-1]:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        client.sendall(b"HEAD /api/events/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
        received = read_until_closed(client)

    statuses = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 200, 404, 200] * 50
    assert received.endswith(b"\r\n\r\n")


# --- HTTP/2 ---

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def test_http_2_is_refused(server):
    with closing(server.connect()) as client:
        client.sendall(PREFACE + SETTINGS)
        received = read_until_closed(client)

    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"HTTP/1.1 here" in received


def test_an_upgrade_to_http_2_is_ignored(server):
    with closing(server.connect()) as client:
        client.sendall(
            b"GET /api/events/ HTTP/1.1\r\nHost: localhost\r\n"
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        )
        received = client.recv(65536)

    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in received  # the parser reads nothing after it


# --- Clients that hold what they can ---


def half_body(path: str = "/api/events/") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: 1000\r\n\r\n{{".encode()


def test_half_sent_bodies_and_idle_sockets_block_no_request(server):
    UserFactory(username="olga")
    EventFactory.create_batch(20)
    taken_seconds = []
    with ExitStack() as stack:
        for path in ["/api/events/", "/admin/login/", "/", "/readyz"] * 10:
            client = stack.enter_context(closing(server.connect()))
            client.sendall(half_body(path))
        for number in range(1000):
            client = stack.enter_context(closing(server.connect()))
            if number % 2:
                client.sendall(b"GET /api/events/ HTTP/1.1\r\nHo")
        attackers = [Thread(target=guess_a_password, args=(server,)) for _ in range(16)]
        for attacker in attackers:
            attacker.start()

        for _ in range(20):
            began = monotonic()
            assert server.request("GET", "/api/events/").status == 200
            taken_seconds.append(monotonic() - began)
            assert server.request("GET", "/healthz").status == 200
        assert server.request("GET", "/readyz").status in {200, 503}  # no worker runs here
        for attacker in attackers:
            attacker.join()

    print(f"95th percentile of list pages: {quantiles(taken_seconds, n=20)[-1] * 1000:.0f} ms")


def guess_a_password(server: ServerProcess) -> None:
    with closing(server.client()) as client:
        given = {"username": "olga", "password": "wrong"}
        assert ask(client, "POST", "/api/login/", given).status in {401, 503}  # as many as may hash


def test_aborted_bodies_leave_nothing_behind(server):
    for _ in range(40):
        client = server.connect()
        client.sendall(half_body())
        reset(client)

    for _ in range(20):
        assert server.request("GET", "/api/events/").status == 200


def test_slow_request_gets_a_timeout_response():
    server = ServerProcess(
        HEAD_SECONDS="1", BODY_SECONDS="1", IDLE_SECONDS="1", WEB_CONCURRENCY="1"
    )
    try:
        with ExitStack() as stack:
            silent, half_head, half_sent, idle = (
                stack.enter_context(closing(server.connect())) for _ in range(4)
            )
            half_head.sendall(b"GET / HTT")
            half_sent.sendall(half_body())
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")

            assert read_until_closed(silent) == b""
            assert read_until_closed(half_head).startswith(b"HTTP/1.1 408 ")
            received = read_until_closed(half_sent)
            assert received.startswith(b"HTTP/1.1 408 ")
            assert b"\r\nconnection: close\r\n" in received
            assert b'"code":"request_timeout"' in received
            assert read_until_closed(idle).startswith(b"HTTP/1.1 200 ")
    finally:
        server.stop()


def test_the_longest_idle_connection_makes_room_for_a_new_one():
    server = ServerProcess(WEB_CONNECTIONS="10", WEB_CONCURRENCY="1")
    try:
        with ExitStack() as stack:
            idle = [stack.enter_context(closing(server.connect())) for _ in range(30)]

            assert server.request("GET", "/api/events/").status == 200
            assert read_until_closed(idle[0]) == b""
    finally:
        server.stop()


# --- Forged headers ---


@pytest.fixture(scope="module")
def behind_a_proxy(django_db_setup, django_db_blocker) -> Iterator[ServerProcess]:
    with django_db_blocker.unblock():
        found = ServerProcess(
            TRUSTED_PROXIES="1", METRICS_NETWORKS="192.0.2.0/24", RATE_LIMITS="login=1/hour"
        )
    yield found
    found.stop()


def status_with(server: ServerProcess, method: str, path: str, *fields: tuple[str, str]) -> int:
    """The status of a request with exactly these header fields."""
    with closing(server.client()) as client:
        client.putrequest(method, path)
        for name, value in fields:
            client.putheader(name, value)
        client.endheaders()
        return client.getresponse().status


def test_the_clients_address_cannot_be_forged(behind_a_proxy):
    added_by_proxy = ("X-Forwarded-For", "198.51.100.1")

    for name in ("X_Forwarded_For", "X-Forwarded_For", "X-Forwarded-For"):
        forged = (name, "192.0.2.1")
        assert status_with(behind_a_proxy, "GET", "/metrics", forged, added_by_proxy) == 404
    statuses = [
        status_with(
            behind_a_proxy, "POST", "/api/login/",
            (name, f"203.0.113.{number}"), added_by_proxy, ("Content-Length", "0"),
        )
        for number, name in enumerate(["X_Forwarded_For", "X-Forwarded-For"] * 2)
    ]  # fmt: skip
    assert status_with(behind_a_proxy, "GET", "/metrics", ("X-Forwarded-For", "192.0.2.1")) == 200
    assert statuses[1:] == [429] * 3


def exchange(server: ServerProcess, *parts: bytes) -> bytes:
    """All that the server sends for these bytes, of which the last request ends the connection."""
    with closing(server.connect()) as client:
        with suppress(OSError):  # it may have closed already
            for part in parts:
                client.sendall(part)
        return read_until_closed(client)


def test_trailers_are_no_headers(behind_a_proxy):
    received = exchange(
        behind_a_proxy,
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 203.0.113.9\r\n"
        b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
    )

    assert received.startswith(b"HTTP/1.1 404 ")


CHUNKED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        CHUNKED + b"0\r\n" + b"a:\r\n" * 100_000,
        CHUNKED + b"0\r\nA: " + b"x" * 500_000,
        CHUNKED + b"1;" + b"x" * 500_000,
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * 500 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 500_000,
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        + b"A: %b\r\n" % (b"x" * 9_000) * 9
        + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"x" * 70_000 + b": a\r\n\r\n",
        b"GET /healthz?" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n",
    ],
)
def test_endless_or_ambiguous_requests_are_rejected(server, request_):
    pieces = [request_[start : start + 50_000] for start in range(0, len(request_), 50_000)]

    received = exchange(server, *pieces)

    assert received[:13] in {b"HTTP/1.1 400 ", b""}  # or the connection is reset
    assert server.request("GET", "/healthz").status == 200


def test_a_large_body_does_not_count_as_the_head_behind_it(server):
    body = b" " * 70_000
    with closing(server.connect()) as client:
        client.sendall(
            b"POST /api/nowhere/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n"
            + body + b"GET /healthz HTTP/1.1\r\nHos"
        )  # fmt: skip
        first = client.recv(65536)
        client.sendall(b"t: localhost\r\nConnection: close\r\n\r\n")
        second = read_until_closed(client)

    assert (first + second).count(b"HTTP/1.1 404 ") == 1
    assert (first + second).count(b"HTTP/1.1 200 ") == 1


def test_a_stream_with_a_body_that_is_too_large_is_413(server):
    event = EventFactory()
    head = f"POST /api/events/{event.pk}/stream HTTP/1.1\r\nHost: localhost\r\n"

    with closing(server.connect()) as client:
        client.sendall(f"{head}Content-Length: 30000000\r\n\r\n".encode())
        received = client.recv(65536)

    assert received.startswith(b"HTTP/1.1 413 ")


# --- Processes ---


def test_a_process_that_dies_is_replaced(server):
    before = server.workers()

    os.kill(before[0], signal.SIGKILL)

    wait_for(lambda: len(server.workers()) == len(before) and before[0] not in server.workers())
    for _ in range(10):
        assert server.request("GET", "/api/events/").status == 200


def test_a_process_that_dies_during_a_health_check_is_replaced_at_once(server):
    before = server.workers()

    os.kill(before[0], signal.SIGSTOP)
    sleep(1)  # a check begins twice a second
    os.kill(before[0], signal.SIGKILL)

    # A process that hangs is given 60 s.
    wait_for(lambda: set(server.workers()) - set(before), seconds=30)
    assert server.request("GET", "/api/events/").status == 200


def test_workers_stop_when_their_supervisor_is_killed():
    server = ServerProcess(WEB_CONCURRENCY="2")
    workers = server.workers()

    server.process.kill()

    server.process.wait(timeout=30)
    server.process.stderr.close()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), seconds=30)


def test_new_code_is_loaded_without_an_error(server):
    before = set(server.workers())

    server.process.send_signal(signal.SIGHUP)
    while before & set(server.workers()):
        assert server.request("GET", "/api/events/").status == 200

    assert len(server.workers()) == len(before)


def test_stop_completes_requests_in_progress_and_refuses_connections():
    EventFactory()
    server = ServerProcess(WEB_CONCURRENCY="1")
    with closing(server.connect()) as client, closing(server.connect()) as idle:
        client.sendall(half_body("/api/events/999999999/register/"))
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        response = http.client.HTTPResponse(idle)
        response.begin()
        assert (response.status, response.read()) == (200, b'{"status": "ok"}')

        server.process.terminate()
        assert read_until_closed(idle) == b""
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        client.sendall(b" " * 998 + b"}")
        received = read_until_closed(client)
        assert server.process.wait(timeout=30) == 0
        server.process.stderr.close()

    assert received.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nconnection: close\r\n" in received


@pytest.mark.parametrize("has_sent_before", [False, True])
def test_stop_answers_a_request_that_is_on_its_way(has_sent_before):
    server = ServerProcess(WEB_CONCURRENCY="1")
    with closing(server.client()) as client:
        client.connect()
        if has_sent_before:
            assert ask(client, "GET", "/healthz").status == 200

        server.process.terminate()
        wait_for(server.refuses_connections, interval=0)
        response = ask(client, "GET", "/api/events/")

    assert (response.status, response.headers["connection"]) == (200, "close")
    assert server.process.wait(timeout=30) == 0
    server.process.stderr.close()


def test_connections_are_dealt_to_all_processes(server):
    before = {pid: open_sockets(pid) for pid in server.workers()}
    with ExitStack() as stack:
        for _ in range(64):
            client = stack.enter_context(closing(server.connect()))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")

        dealt = sorted(open_sockets(pid) - count for pid, count in before.items())[-2:]

    assert sum(dealt) >= 60  # others may be closed meanwhile
    assert min(dealt) >= 10  # by chance once in a hundred million times


def open_sockets(pid: int) -> int:
    links = Path(f"/proc/{pid}/fd").iterdir()
    return sum(str(link.readlink()).startswith("socket:") for link in links)


def test_a_port_that_is_taken_ends_the_start(server):
    done = subprocess.run(
        command(), cwd=ROOT, env=server.environment, check=False, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == f"Cannot listen on 127.0.0.1 port {server.port}: Address already in use\n"


def test_a_host_without_an_address_ends_the_start(server):
    done = subprocess.run(
        command(), cwd=ROOT, env={**server.environment, "HOST": "nowhere.invalid"}, check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("Cannot listen on nowhere.invalid port ")
    assert "Unknown error" not in done.stderr

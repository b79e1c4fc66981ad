"""The HTTP client of webhooks: names, connections, TLS."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from ipaddress import ip_address, ip_network

import pytest

from registrations.tests.receivers import OK, Receiver, response, running
from registrations.webhooks import connections, exchange
from registrations.webhooks.exchange import Client, NoResponse

NAME = "hooks.example"


@pytest.fixture(autouse=True)
def _opened(settings):
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def names(monkeypatch):
    """The addresses of `NAME`."""
    known = [ip_address("127.0.0.1")]
    monkeypatch.setattr(exchange, "look_up", lambda host: list(known))
    return known


def post(*urls: str):
    """The responses to one request after the other, by one client."""

    async def run():
        client = Client()
        try:
            return [await client.post(url, {"webhook-id": "chg_1"}, b"{}") for url in urls]
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.fixture
def certificate(tmp_path):
    """A certificate of `NAME` that signs itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "36500", "-subj", f"/CN={NAME}", "-addext",
            f"subjectAltName=DNS:{NAME}", "-keyout", str(key), "-out", str(path),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return path, key


@pytest.fixture
def secure(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with running(Receiver(tls=context)) as receiver:
        yield receiver


def test_connections_are_used_again(names):
    with running(Receiver()) as receiver:
        url = f"http://{NAME}:{receiver.port}/hook"
        responses = post(url, url, url)

    assert [(each.status, each.text) for each in responses] == [(200, "ok")] * 3
    assert receiver.connections == 1
    assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"


def test_a_connection_that_the_receiver_closes_is_not_used_again(names):
    with running(Receiver(reply=response(200, "ok", Connection="close"))) as receiver:
        url = f"http://{NAME}:{receiver.port}/hook"
        post(url, url)

    assert receiver.connections == 2


def test_a_connection_that_was_closed_meanwhile_is_replaced(names):
    def answer(connection, request):
        if len(receiver.requests) == 2:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(OK)

    with running(Receiver(reply=answer, keeps_open=True)) as receiver:
        url = f"http://{NAME}:{receiver.port}/hook"
        answers = post(url, url)

    assert [each.status for each in answers] == [200, 200]
    assert receiver.connections == 2


@pytest.mark.parametrize(
    ("reply", "error", "number"),
    [
        (b"", "connection_closed", 2),  # the second one by a new connection
        (b"HTTP/1.1 abc\r\n\r\n", "invalid_response", 1),
        (b"HTTP/1.1 20", "incomplete_response", 1),
    ],
)
def test_a_request_is_not_repeated_by_each_connection_that_was_kept(names, reply, error, number):
    is_failing = False

    def answer(connection, request):
        if is_failing:
            connection.sendall(reply)
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(OK)

    async def run(url):
        nonlocal is_failing
        client = Client()
        try:
            await asyncio.gather(*(client.post(url, {}, b"{}") for _ in range(5)))
            assert sum(map(len, client._idle.values())) > 1
            is_failing = True
            with pytest.raises(NoResponse, match=error):
                await client.post(url, {}, b'{"failing": true}')
        finally:
            await client.close()

    with running(Receiver(reply=answer, keeps_open=True)) as receiver:
        asyncio.run(run(f"http://{NAME}:{receiver.port}/"))

    assert sum("failing" in each for each in receiver.changes) == number


@pytest.mark.parametrize("waits", [0, 0.05])
def test_what_follows_a_response_is_not_the_response_to_the_next_request(names, waits):
    def answer(connection, request):
        connection.sendall(OK)
        time.sleep(waits)
        connection.sendall(response(410))
        replied.set()

    async def run(url):
        client = Client()
        try:
            first = await client.post(url, {}, b"{}", owner=1)
            await asyncio.to_thread(replied.wait, 5)
            await asyncio.sleep(0)
            return first, await client.post(url, {}, b"{}", owner=2)
        finally:
            await client.close()

    replied = threading.Event()
    with running(Receiver(reply=answer, keeps_open=True)) as receiver:
        answers = asyncio.run(run(f"http://{NAME}:{receiver.port}/"))

    assert [each.status for each in answers] == [200, 200]
    assert receiver.connections == 2


def test_two_responses_at_once_are_the_first_one(names):
    with running(Receiver(reply=OK + response(410, "gone"))) as receiver:
        url = f"http://{NAME}:{receiver.port}/"
        answers = post(url, url)

    assert [(each.status, each.text) for each in answers] == [(200, "ok")] * 2
    assert receiver.connections == 2


def test_what_arrived_is_seen_before_the_loop_reads_it(names):
    def answer(connection, request):
        connection.sendall(OK)
        told.wait(5)
        connection.sendall(response(410))
        replied.set()

    async def run(url):
        client = Client()
        try:
            await client.post(url, {}, b"{}")
            [[kept]] = client._idle.values()
            assert kept.is_quiet
            told.set()
            replied.wait(5)  # in the thread of the loop
            return kept.is_quiet
        finally:
            await client.close()

    told, replied = threading.Event(), threading.Event()
    with running(Receiver(reply=answer, keeps_open=True)) as receiver:
        assert not asyncio.run(run(f"http://{NAME}:{receiver.port}/"))


def test_an_interim_response_is_followed_by_the_final_one(names):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    with running(Receiver(reply=early + response(202, "taken", Retry_After="9"))) as receiver:
        [answer] = post(f"http://{NAME}:{receiver.port}/")

    assert (answer.status, answer.text, answer.retry_after) == (202, "taken", "9")


def test_a_body_in_chunks_is_read(names):
    chunked = b"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n1\r\n!\r\n0\r\n\r\n"
    with running(Receiver(reply=chunked)) as receiver:
        [answer] = post(f"http://{NAME}:{receiver.port}/")

    assert (answer.status, answer.text) == (500, "no!")


def test_another_address_is_used_if_the_first_refuses(names):
    names[:] = [ip_address("127.0.0.9"), ip_address("127.0.0.1")]
    with running(Receiver()) as receiver:
        [answer] = post(f"http://{NAME}:{receiver.port}/")

    assert answer.status == 200


def test_tls_verifies_the_name_at_the_checked_address(names, secure, certificate, monkeypatch):
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    monkeypatch.setattr(connections, "_tls", lambda: trusting)

    answers = post(*[f"https://{NAME}:{secure.port}/hook"] * 3)

    assert [each.status for each in answers] == [200] * 3
    assert secure.connections == 1
    with pytest.raises(NoResponse, match=r"tls_failed: .*Hostname mismatch"):
        post(f"https://other.example:{secure.port}/hook")


def test_a_certificate_that_nobody_vouches_for_is_a_failure(names, secure):
    with pytest.raises(NoResponse, match="tls_failed: self-signed certificate"):
        post(f"https://{NAME}:{secure.port}/hook")

    assert secure.requests == []


def test_a_name_without_an_address(monkeypatch):
    def fail(host):
        raise OSError("unknown")

    monkeypatch.setattr(exchange, "look_up", fail)

    with pytest.raises(NoResponse, match="name_not_resolved"):
        post(f"https://{NAME}/hook")


def test_names_of_one_owner_take_few_threads(monkeypatch):
    ended = threading.Event()
    hanging = []

    def look_up(host):
        if host.startswith("slow"):
            hanging.append(host)
            ended.wait(10)
        raise OSError("unknown")

    async def run():
        client = Client()
        slow = [
            asyncio.create_task(client.post(f"https://slow{number}.example/", {}, b"", owner=1))
            for number in range(8)
        ]
        try:
            with pytest.raises(NoResponse, match="name_not_resolved"):
                await client.post("https://other.example/", {}, b"", owner=2)
            while len(hanging) < 4:  # a thread takes a moment to start
                await asyncio.sleep(0.01)
            number = len(hanging)
            ended.set()
            return number, await asyncio.gather(*slow, return_exceptions=True)
        finally:
            ended.set()
            await client.close()

    monkeypatch.setattr(exchange, "look_up", look_up)
    monkeypatch.setattr(exchange, "_LOOKUPS", 5)

    number, outcomes = asyncio.run(run())

    assert number == 4
    assert [str(each) for each in outcomes] == ["name_not_resolved"] * 8
    assert len(hanging) == 8

"""Seats in real time: a process of its own, and viewers over sockets."""

import asyncio
import http.client
import json
import signal
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from itertools import count, pairwise
from pathlib import Path

import pytest
from django.db import connection

from config.errors import RateLimited, TemporarilyUnavailable
from config.live import streams
from events import live as seats
from events.live import SeatWatch, read_seats
from events.services import cancel_event, delete_event, edit_event
from events.tests.factories import EventFactory
from registrations.services import cancel_registration
from registrations.tests.factories import registered

from .server import ServerProcess, wait_for

committed = pytest.mark.django_db(transaction=True)
pytestmark = pytest.mark.xdist_group("live")
_addresses = count(1)

MAX_VIEWERS = 8


class Process(ServerProcess):
    """One server process for eight viewers, behind a proxy."""

    def __init__(self) -> None:
        self.viewers: list[Viewer] = []
        super().__init__(
            WEB_CONCURRENCY="1", LIVE_MAX_VIEWERS=str(MAX_VIEWERS), TRUSTED_PROXIES="1"
        )

    def watch(self, event, **headers: str) -> "Viewer":
        viewer = Viewer(self.port, f"/api/events/{event.pk}/stream", headers)
        self.viewers.append(viewer)
        return viewer

    def all_leave(self) -> None:
        while self.viewers:
            self.viewers.pop().leave()

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict, bytes]:
        """Status, headers and body of an answer that ends."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)) as client:
            client.request(method, path, headers={"X-Forwarded-For": new_address(), **headers})
            response = client.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return response.status, told, response.read()

    def refusal(self, path: str, **kwargs: str) -> tuple[int, str]:
        status, headers, body = self.ask(path, **kwargs)
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(body)["status"] == status
        return status, json.loads(body)["code"]

    def threads(self) -> int:
        """How many the process has."""
        (worker,) = self.workers()
        return len(list(Path(f"/proc/{worker}/task").iterdir()))

    def stop(self) -> None:
        self.all_leave()
        super().stop()


class Viewer:
    """What a browser's EventSource does, from an address of its own."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self.client = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        self.client.request("GET", path, headers={"X-Forwarded-For": new_address(), **headers})
        self.response = self.client.getresponse()
        self.status = self.response.status

    def message(self) -> tuple[str, dict] | None:
        """The next one, as its type and data; None at the end of the stream."""
        fields: dict[str, str] = {}
        for raw in iter(self.response.readline, b""):
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif "data" in fields:
                return fields.get("event", "message"), json.loads(fields["data"])
        return None

    def seats(self) -> dict:
        kind, data = self.message()
        assert kind == "message"
        return data

    def leave(self) -> None:
        self.response.close()
        self.client.close()


def new_address() -> str:
    return f"198.51.100.{next(_addresses) % 250 + 1}"


@pytest.fixture(scope="module")
def started(django_db_setup) -> Iterator[Process]:
    found = Process()
    yield found
    found.stop()


@pytest.fixture
def process(started) -> Iterator[Process]:
    yield started
    started.all_leave()


def shown(event, **changes) -> dict:
    return {
        "id": event.pk,
        "max_capacity": 2,
        "registered_count": 0,
        "available_seats": 2,
        "waitlist_count": 0,
        "registration_state": "open",
        **changes,
    }


@committed
def test_every_viewer_receives_a_taken_seat(process):
    event, other = EventFactory.create_batch(2, max_capacity=2, waitlist_enabled=True)
    viewers = [process.watch(event) for _ in range(3)]
    elsewhere = process.watch(other)

    assert [viewer.seats() for viewer in viewers] == [shown(event)] * 3
    assert elsewhere.seats() == shown(other)
    first = registered(event)
    one_gone = shown(event, registered_count=1, available_seats=1)
    assert [viewer.seats() for viewer in viewers] == [one_gone] * 3

    registered(event)
    registered(event)
    full = shown(
        event, registered_count=2, available_seats=0, waitlist_count=1,
        registration_state="waitlist",
    )  # fmt: skip
    assert last_before(viewers[0], full) == full
    cancel_registration(first)
    assert viewers[0].seats() == {**full, "waitlist_count": 0}

    # Of the other event nothing was told meanwhile.
    edit_event(other, {"max_capacity": 5})
    assert elsewhere.seats() == shown(other, max_capacity=5, available_seats=5)


def last_before(viewer: Viewer, wanted: dict) -> dict:
    """Two registrations may be seen one by one or together."""
    told = viewer.seats()
    return told if told == wanted else viewer.seats()


@committed
def test_stream_allows_any_origin_and_sets_a_reconnection_time(process):
    viewer = process.watch(EventFactory(), **{"X-Request-ID": "abc-1", "Origin": "https://a.org"})

    headers = {name.lower(): value for name, value in viewer.response.getheaders()}
    assert headers["content-type"] == "text/event-stream"
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"] == "abc-1"
    assert viewer.response.readline() == b"retry: 3000\n"


@committed
def test_stream_is_served_without_the_prefix_too(process):
    event = EventFactory(max_capacity=2)
    viewer = Viewer(process.port, f"/events/{event.pk}/stream", {})
    process.viewers.append(viewer)

    assert viewer.seats() == shown(event)


@committed
def test_hidden_event_is_not_found(process, olga, signed_in):
    draft = EventFactory(organizer=olga, status="draft")
    deleted = EventFactory()
    delete_event(deleted)
    organizer = signed_in(olga)._credentials["HTTP_AUTHORIZATION"]

    for path, headers in (
        (f"/api/events/{draft.pk}/stream", {}),
        (f"/api/events/{draft.pk}/stream", {"Authorization": organizer}),
        (f"/api/events/{deleted.pk}/stream", {}),
        ("/api/events/999999999/stream", {}),
        ("/api/events/0/stream", {}),
    ):
        assert process.refusal(path, **headers) == (404, "not_found"), path


@committed
def test_a_stream_ends_with_its_event(process):
    event = EventFactory(max_capacity=2)
    viewer = process.watch(event)
    assert viewer.seats() == shown(event)

    cancel_event(event)

    over = shown(event, registration_state="cancelled")
    assert [viewer.message() for _ in range(3)] == [("message", over), ("end", {}), None]
    late = process.watch(event)
    assert [late.message() for _ in range(3)] == [("message", over), ("end", {}), None]
    # 204 tells a browser that it need not come back.
    assert process.watch(event, **{"Last-Event-ID": "5d8f2c01a9b3"}).status == 204


@committed
def test_a_stream_ends_when_its_event_is_deleted(process):
    event = EventFactory(max_capacity=2)
    viewer = process.watch(event, **{"Last-Event-ID": "unknown"})
    assert viewer.seats() == shown(event)

    delete_event(event)

    assert [viewer.message() for _ in range(2)] == [("end", {}), None]
    assert process.watch(event).status == 404


@committed
def test_viewers_are_bounded_and_cost_no_thread(process):
    event = EventFactory(max_capacity=2)
    path = f"/api/events/{event.pk}/stream"
    one = process.watch(event)
    one.seats()
    threads = process.threads()
    viewers = [one, *(process.watch(event) for _ in range(MAX_VIEWERS - 1))]
    assert [viewer.status for viewer in viewers] == [200] * MAX_VIEWERS

    assert process.refusal(path) == (503, "temporarily_unavailable")
    assert process.ask(path)[1]["retry-after"] == "30"
    assert process.threads() == threads

    process.all_leave()
    wait_for(lambda: process.ask(path, method="HEAD")[0] == 200)


@committed
def test_one_address_has_a_quarter_of_the_streams(process):
    event = EventFactory(max_capacity=2)
    address = {"X-Forwarded-For": "203.0.113.7"}
    for _ in range(MAX_VIEWERS // 4):
        assert process.watch(event, **address).status == 200

    path = f"/api/events/{event.pk}/stream/"
    assert process.refusal(path, **address) == (429, "rate_limited")
    assert process.ask(path, method="HEAD")[0] == 200


@committed
def test_lost_database_connection_is_reopened(process):
    event = EventFactory(max_capacity=2)
    viewer = process.watch(event)
    assert viewer.seats() == shown(event)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] == 1
    registered(event)

    assert viewer.seats() == shown(event, registered_count=1, available_seats=1)


@committed
def test_streams_follow_the_conventions_of_the_api(process):
    event = EventFactory()
    path = f"/api/events/{event.pk}/stream"

    assert process.refusal(f"{path}?tiemzone=UTC") == (400, "unknown_parameter")
    assert process.refusal(f"{path}?timezone=Mars/Base") == (400, "invalid_timezone")
    assert process.refusal(path, method="POST") == (405, "method_not_allowed")
    assert process.ask(path, method="DELETE")[1]["allow"] == "GET, HEAD, OPTIONS"
    status, headers, body = process.ask(path, method="HEAD")
    assert (status, headers["content-type"], body) == (200, "text/event-stream", b"")
    status, headers, body = process.ask(path, method="OPTIONS", Origin="https://a.org")
    assert (status, headers["access-control-allow-headers"], body) == (204, "*", b"")


@committed
def test_process_with_viewers_stops_at_once():
    process = Process()
    try:
        viewer = process.watch(EventFactory(max_capacity=2))
        viewer.seats()

        process.process.send_signal(signal.SIGTERM)

        assert process.process.wait(timeout=20) == 0
        assert viewer.message() is None
    finally:
        process.all_leave()
        process.process.kill()
        process.process.stderr.close()


# --- without a process ---


@committed
def test_all_events_are_read_by_one_query_at_a_time(monkeypatch):
    monkeypatch.setattr(seats, "QUERY_INTERVAL_SECONDS", 0.2)
    events = EventFactory.create_batch(3, max_capacity=2)
    asked = []

    def read(event_ids):
        asked.append((asyncio.run(now()), sorted(event_ids)))
        try:
            return read_seats(event_ids)
        finally:
            connection.close()

    async def now() -> float:
        return asyncio.get_running_loop().time()

    async def watch_all() -> None:
        watch = SeatWatch(100, read)
        async with (
            watch.viewer(events[0].pk, "a") as first,
            watch.viewer(events[1].pk, "a"),
            watch.viewer(events[1].pk, "b"),
            watch.viewer(events[2].pk, "b"),
        ):
            asked.clear()
            for _ in range(2):
                changed = first.changed
                await asyncio.to_thread(take_a_seat)
                await asyncio.wait_for(changed, 10)

    def take_a_seat() -> None:
        registered(events[0])
        connection.close()

    asyncio.run(watch_all())

    everything = sorted(event.pk for event in events)
    assert {tuple(ids) for _, ids in asked} == {tuple(everything)}
    times = [at for at, _ in asked]
    assert all(later - at >= 0.19 for at, later in pairwise(times))


@pytest.mark.django_db
def test_reading_many_events_is_one_query(django_assert_num_queries):
    events = [*EventFactory.create_batch(3, max_capacity=2), EventFactory(status="draft")]

    with django_assert_num_queries(1):
        found = read_seats([event.pk for event in events])

    assert {pk: json.loads(told.data) for pk, told in found.items()} == {
        event.pk: shown(event) for event in events[:3]
    }


def test_unreachable_database_is_reported_to_new_viewers(monkeypatch):
    monkeypatch.setattr(seats, "FIRST_SEATS_TIMEOUT_SECONDS", 0.05)

    def read(event_ids):
        raise OSError("on purpose")

    async def come() -> None:
        async with SeatWatch(2, read).viewer(1, "a"):
            raise AssertionError

    with pytest.raises(TemporarilyUnavailable):
        asyncio.run(come())


def test_viewer_that_reads_nothing_is_disconnected(monkeypatch):
    monkeypatch.setattr(streams, "SECONDS_TO_SEND", 0.05)
    told = seats.Seats(b"{}", is_over=False)
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/api/events/1/stream", "QUERY_STRING": "",
        "REMOTE_ADDR": "192.0.2.1", "wsgi.input": BytesIO(),
    }  # fmt: skip

    async def receive() -> dict:
        return await asyncio.Future()  # the client stays

    async def send(message: dict) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Future()  # as when the socket's buffer is full

    async def serve() -> None:
        live_streams = streams.LiveStreams(1)
        live_streams.watch = SeatWatch(1, lambda event_ids: dict.fromkeys(event_ids, told))
        with pytest.raises(TimeoutError):  # the server ends the connection then
            await asyncio.wait_for(live_streams.respond(environ, receive, send), 5)
        async with live_streams.watch.viewer(1, "b"):  # the only place is free again
            pass

    asyncio.run(serve())


def test_capacity_of_ended_streams_is_released(monkeypatch):
    monkeypatch.setattr(seats, "QUERY_INTERVAL_SECONDS", 0)
    told = seats.Seats(b"{}", is_over=False)

    async def come() -> None:
        watch = SeatWatch(4, lambda event_ids: dict.fromkeys(event_ids, told))
        for _ in range(3):
            async with watch.viewer(1, "a"):
                with pytest.raises(RateLimited):
                    async with watch.viewer(2, "a"):
                        pass

    asyncio.run(come())


@pytest.mark.django_db
def test_without_an_event_loop_each_message_is_a_response(event, olga, anyone, signed_in):
    draft = EventFactory(organizer=olga, status="draft")
    (told,) = read_seats([event.pk]).values()

    answer = anyone.get(f"/api/events/{event.pk}/stream", headers={"Accept": "text/event-stream"})

    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
    assert answer.content == b"retry: 3000\n\n" + told.message()
    assert answer["Access-Control-Allow-Origin"] == "*"
    for client in (anyone, signed_in(olga)):
        assert client.get(f"/api/events/{draft.pk}/stream").json()["code"] == "not_found"
    refused = anyone.get(f"/api/events/{event.pk}/stream/?tiemzone=UTC")
    assert refused.json()["code"] == "unknown_parameter"

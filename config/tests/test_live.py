"""Live seat counts, from a server process to viewers over sockets."""

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
from prometheus_client.parser import text_string_to_metric_families

from config.errors import RateLimited, TemporarilyUnavailable
from config.live import streams
from events import live as seats
from events.access_keys import key_of_event
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
    """One server process for `MAX_VIEWERS` viewers, behind a proxy."""

    def __init__(self) -> None:
        self.viewers: list[Viewer] = []
        super().__init__(
            WEB_CONCURRENCY="1", LIVE_MAX_VIEWERS=str(MAX_VIEWERS), TRUSTED_PROXIES="1"
        )

    def watch(self, event, **headers: str) -> "Viewer":
        viewer = Viewer(self.port, f"/api/events/{event.pk}/stream", headers)
        self.viewers.append(viewer)
        return viewer

    def disconnect_all(self) -> None:
        while self.viewers:
            self.viewers.pop().disconnect()

    def fetch(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict, bytes]:
        """Status, headers and body of a response that ends."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)) as client:
            client.request(method, path, headers={"X-Forwarded-For": new_address(), **headers})
            response = client.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return response.status, fields, response.read()

    def refusal(self, path: str, **kwargs: str) -> tuple[int, str]:
        status, headers, body = self.fetch(path, **kwargs)
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(body)["status"] == status
        return status, json.loads(body)["code"]

    def metrics(self) -> dict[str, float]:
        """The samples by name and labels."""
        status, _, text = self.fetch("/metrics", **{"X-Forwarded-For": "127.0.0.1"})
        assert status == 200
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
        }

    def thread_count(self) -> int:
        (worker,) = self.workers()
        return len(list(Path(f"/proc/{worker}/task").iterdir()))

    def stop(self) -> None:
        self.disconnect_all()
        super().stop()


class Viewer:
    """A client like a browser's EventSource, with its own address."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self.client = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        self.client.request("GET", path, headers={"X-Forwarded-For": new_address(), **headers})
        self.response = self.client.getresponse()
        self.status = self.response.status

    def message(self) -> tuple[str, dict] | None:
        """The type and data of the next message; None at the end of the stream."""
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

    def disconnect(self) -> None:
        self.response.close()
        self.client.close()


def new_address() -> str:
    return f"198.51.100.{next(_addresses) % 250 + 1}"


@pytest.fixture(scope="module")
def started(django_db_setup) -> Iterator[Process]:
    process = Process()
    yield process
    process.stop()


@pytest.fixture
def process(started) -> Iterator[Process]:
    yield started
    started.disconnect_all()


def seats_of(event, **changes) -> dict:
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

    assert [viewer.seats() for viewer in viewers] == [seats_of(event)] * 3
    assert elsewhere.seats() == seats_of(other)
    first = registered(event)
    one_gone = seats_of(event, registered_count=1, available_seats=1)
    assert [viewer.seats() for viewer in viewers] == [one_gone] * 3

    registered(event)
    registered(event)
    full = seats_of(
        event, registered_count=2, available_seats=0, waitlist_count=1,
        registration_state="waitlist",
    )  # fmt: skip
    assert seats_after_two(viewers[0], full) == full
    cancel_registration(first)
    assert viewers[0].seats() == {**full, "waitlist_count": 0}

    # The other event's stream has had no message in between.
    edit_event(other, {"max_capacity": 5})
    assert elsewhere.seats() == seats_of(other, max_capacity=5, available_seats=5)


def seats_after_two(viewer: Viewer, expected: dict) -> dict:
    """The seats after two registrations, which are one message or two."""
    first = viewer.seats()
    return first if first == expected else viewer.seats()


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

    assert viewer.seats() == seats_of(event)


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
    assert viewer.seats() == seats_of(event)

    cancel_event(event)

    over = seats_of(event, registration_state="cancelled")
    assert [viewer.message() for _ in range(3)] == [("message", over), ("end", {}), None]
    late = process.watch(event)
    assert [late.message() for _ in range(3)] == [("message", over), ("end", {}), None]
    # After 204 a browser does not reconnect.
    assert process.watch(event, **{"Last-Event-ID": "5d8f2c01a9b3"}).status == 204


@committed
def test_a_stream_ends_when_its_event_is_deleted(process):
    event = EventFactory(max_capacity=2)
    viewer = process.watch(event, **{"Last-Event-ID": "unknown"})
    assert viewer.seats() == seats_of(event)

    delete_event(event)

    assert [viewer.message() for _ in range(2)] == [("end", {}), None]
    assert process.watch(event).status == 404


@committed
def test_viewers_are_bounded_and_cost_no_thread(process):
    event = EventFactory(max_capacity=2)
    path = f"/api/events/{event.pk}/stream"
    first = process.watch(event)
    first.seats()
    threads = process.thread_count()
    viewers = [first, *(process.watch(event) for _ in range(MAX_VIEWERS - 1))]
    assert [viewer.status for viewer in viewers] == [200] * MAX_VIEWERS

    assert process.refusal(path) == (503, "temporarily_unavailable")
    assert process.fetch(path)[1]["retry-after"] == "30"
    assert process.thread_count() == threads

    process.disconnect_all()
    wait_for(lambda: process.fetch(path, method="HEAD")[0] == 200)


@committed
def test_one_address_has_a_quarter_of_the_streams(process):
    event = EventFactory(max_capacity=2)
    address = {"X-Forwarded-For": "203.0.113.7"}
    for _ in range(MAX_VIEWERS // 4):
        assert process.watch(event, **address).status == 200

    path = f"/api/events/{event.pk}/stream/"
    assert process.refusal(path, **address) == (429, "rate_limited")
    assert process.fetch(path, method="HEAD")[0] == 200


@committed
def test_lost_database_connection_is_reopened(process):
    event = EventFactory(max_capacity=2)
    viewer = process.watch(event)
    assert viewer.seats() == seats_of(event)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] == 1
    registered(event)

    assert viewer.seats() == seats_of(event, registered_count=1, available_seats=1)


@committed
def test_streams_follow_the_conventions_of_the_api(process):
    event = EventFactory()
    path = f"/api/events/{event.pk}/stream"

    assert process.refusal(f"{path}?tiemzone=UTC") == (400, "unknown_parameter")
    assert process.refusal(f"{path}?timezone=Mars/Base") == (400, "invalid_timezone")
    assert process.refusal(path, method="POST") == (405, "method_not_allowed")
    assert process.fetch(path, method="DELETE")[1]["allow"] == "GET, HEAD, OPTIONS"
    status, headers, body = process.fetch(path, method="HEAD")
    assert (status, headers["content-type"], body) == (200, "text/event-stream", b"")
    status, headers, body = process.fetch(path, method="OPTIONS", Origin="https://a.org")
    assert (status, headers["access-control-allow-headers"], body) == (204, "*", b"")


@committed
def test_metrics_report_viewers_messages_and_refusals(process):
    # Last, since /metrics opens further connections to the database.
    event = EventFactory()
    before = process.metrics()

    first, second = process.watch(event), process.watch(event)
    for viewer in (first, second):
        viewer.seats()
    address = {"X-Forwarded-For": "203.0.113.1"}
    streams = [process.watch(event, **address) for _ in range(MAX_VIEWERS // 4 + 1)]

    assert [viewer.status for viewer in streams] == [200, 200, 429]
    wait_for(lambda: process.metrics().get("live_viewers") == 4)
    after = process.metrics()
    assert after["live_events"] == 1
    assert after["live_messages_total"] - before["live_messages_total"] >= 4
    refusals = "live_refusals_total address"
    assert after[refusals] - before.get(refusals, 0) == 1
    route = "http_requests_total GET api/events/<id:pk>/stream/ 200"
    assert after[route] - before.get(route, 0) == 4
    assert after["live_query_seconds_count"] > before["live_query_seconds_count"]
    assert after["web_threads"] == 4
    assert after["web_connections"] >= 4
    process.disconnect_all()
    wait_for(lambda: process.metrics().get("live_viewers") == 0)


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
        process.disconnect_all()
        process.process.kill()
        process.process.stderr.close()


# --- without a process ---


@committed
def test_all_events_are_read_by_one_query_at_a_time(monkeypatch):
    monkeypatch.setattr(seats, "QUERY_INTERVAL_SECONDS", 0.2)
    events = EventFactory.create_batch(3, max_capacity=2)
    queries = []

    def read(event_ids):
        queries.append((asyncio.run(now()), sorted(event_ids)))
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
            queries.clear()
            for _ in range(2):
                changed = first.changed
                await asyncio.to_thread(take_a_seat)
                await asyncio.wait_for(changed, 10)

    def take_a_seat() -> None:
        registered(events[0])
        connection.close()

    asyncio.run(watch_all())

    all_ids = sorted(event.pk for event in events)
    assert {tuple(ids) for _, ids in queries} == {tuple(all_ids)}
    times = [at for at, _ in queries]
    assert all(later - at >= 0.19 for at, later in pairwise(times))


@pytest.mark.django_db
def test_reading_many_events_is_one_query(django_assert_num_queries):
    events = [*EventFactory.create_batch(3, max_capacity=2), EventFactory(status="draft")]
    full = EventFactory(max_capacity=1, waitlist_enabled=True)
    for _ in range(2):
        registered(full)

    with django_assert_num_queries(1):
        rows = read_seats([event.pk for event in [*events, full]])

    assert {pk: json.loads(row.data) for pk, row in rows.items()} == {
        **{event.pk: seats_of(event) for event in events[:3]},
        full.pk: seats_of(
            full, max_capacity=1, registered_count=1, available_seats=0, waitlist_count=1,
            registration_state="waitlist",
        ),
    }  # fmt: skip


def test_unreachable_database_is_reported_to_new_viewers(monkeypatch):
    monkeypatch.setattr(seats, "FIRST_SEATS_TIMEOUT_SECONDS", 0.05)

    def read(event_ids):
        raise OSError("on purpose")

    async def watch() -> None:
        async with SeatWatch(2, read).viewer(1, "a"):
            raise AssertionError

    with pytest.raises(TemporarilyUnavailable):
        asyncio.run(watch())


def test_viewer_that_reads_nothing_is_disconnected(monkeypatch):
    monkeypatch.setattr(streams, "SECONDS_TO_SEND", 0.05)
    row = seats.Seats(b"{}", is_over=False)
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
        live_streams.watch = SeatWatch(1, lambda event_ids: dict.fromkeys(event_ids, row))
        with pytest.raises(TimeoutError):  # the server ends the connection then
            await asyncio.wait_for(live_streams.respond(environ, receive, send), 5)
        async with live_streams.watch.viewer(1, "b"):  # the only stream is free again
            pass

    asyncio.run(serve())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, seats.Lock(1, 1)),  # the event became unlisted
        (seats.Lock(1, 1), seats.Lock(1, 2)),  # its key was replaced
    ],
)
def test_an_open_stream_ends_when_its_key_no_longer_opens(monkeypatch, before, after):
    monkeypatch.setattr(seats, "QUERY_INTERVAL_SECONDS", 0)
    key = key_of_event(before) if before else ""
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/api/events/1/stream", "QUERY_STRING": f"key={key}",
        "REMOTE_ADDR": "192.0.2.1", "wsgi.input": BytesIO(),
    }  # fmt: skip
    sent: list[bytes] = []

    def read(event_ids) -> dict:
        data, lock = (b'{"seats":1}', after) if sent else (b'{"seats":2}', before)
        return dict.fromkeys(event_ids, seats.Seats(data, is_over=False, lock=lock))

    async def receive() -> dict:
        return await asyncio.Future()  # the client stays

    async def send(message: dict) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])

    async def serve() -> None:
        live_streams = streams.LiveStreams(4)
        live_streams.watch = SeatWatch(4, read)
        await asyncio.wait_for(live_streams.respond(environ, receive, send), 5)

    asyncio.run(serve())

    assert [b'{"seats":2}' in sent[0], b'{"seats":1}' in b"".join(sent)] == [True, False]
    assert sent[-1] == b"event: end\ndata: {}\n\n"


def test_capacity_of_ended_streams_is_released(monkeypatch):
    monkeypatch.setattr(seats, "QUERY_INTERVAL_SECONDS", 0)
    row = seats.Seats(b"{}", is_over=False)

    async def watch_in_turn() -> None:
        watch = SeatWatch(4, lambda event_ids: dict.fromkeys(event_ids, row))
        for _ in range(3):
            async with watch.viewer(1, "a"):
                with pytest.raises(RateLimited):
                    async with watch.viewer(2, "a"):
                        pass

    asyncio.run(watch_in_turn())


@pytest.mark.django_db
def test_without_an_event_loop_each_message_is_a_response(event, olga, anyone, signed_in):
    draft = EventFactory(organizer=olga, status="draft")
    (row,) = read_seats([event.pk]).values()

    response = anyone.get(f"/api/events/{event.pk}/stream", headers={"Accept": "text/event-stream"})

    assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream")
    assert response.content == b"retry: 3000\n\n" + row.message()
    assert response["Access-Control-Allow-Origin"] == "*"
    for client in (anyone, signed_in(olga)):
        assert client.get(f"/api/events/{draft.pk}/stream").json()["code"] == "not_found"
    refusal = anyone.get(f"/api/events/{event.pk}/stream/?tiemzone=UTC")
    assert refusal.json()["code"] == "unknown_parameter"

"""A bounded load of reads, registrations and cancellations, which repeats what failed."""

import http.client
import json
import random
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any
from uuid import uuid4

TIMEOUT_SECONDS = 30.0
PAUSE_SECONDS = 1.0  # before a request is repeated


@dataclass(frozen=True)
class Response:
    at: float
    """When it ended, by the monotonic clock."""
    kind: str
    status: int
    """0 where the connection failed."""
    seconds: float


class Load:
    """`clients` threads, each with a request every `interval` seconds on average.

    So does an organizer, who signs in and creates events.
    """

    def __init__(
        self,
        port: int,
        events: list[int],
        *,
        organizer: dict[str, str],
        token: str,
        clients: int,
        interval: float,
    ) -> None:
        self.responses: list[Response] = []
        self.registered: dict[str, str] = {}
        """Acknowledged registrations: the manage token by id."""
        self.cancelled: set[str] = set()
        self.created: set[int] = set()
        """Acknowledged events."""
        self.refused: list[str] = []
        """Requests that got a status which no fault explains."""
        self.stream_messages: list[float] = []
        self.events = events
        self._port = port
        self._organizer = organizer
        self._token = token
        self._interval = interval
        self._lock = Lock()
        self._stopping = Event()
        work = [self._register] * 8 + [self._cancel] * 4 + [self._read] * 8
        # One organizer alone: a process checks few passwords at once, and the next one is 503.
        tasks = [*[work] * clients, [self._organize]]
        self._threads = [
            Thread(target=self._run, args=(seed, task)) for seed, task in enumerate(tasks)
        ]
        self._threads.append(Thread(target=self._watch))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends when each request in progress has succeeded."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed: int, work: list[Callable[[random.Random], None]]) -> None:
        choose = random.Random(seed)
        while not self._stopping.wait(choose.expovariate(1 / self._interval)):
            choose.choice(work)(choose)

    def _register(self, choose: random.Random) -> None:
        event = choose.choice(self.events)
        body = {"name": "Guest", "email": f"{uuid4()}@example.com"}
        registration = self._until_done(
            "register", "POST", f"/api/events/{event}/register/", body, {201}
        )
        with self._lock:
            self.registered[registration["id"]] = registration["manage_token"]

    def _cancel(self, choose: random.Random) -> None:
        with self._lock:
            candidates = list(self.registered.keys() - self.cancelled)
            if not candidates:
                return
            pk = choose.choice(candidates)
            self.cancelled.add(pk)
        path = f"/api/registrations/{pk}/?token={self.registered[pk]}"
        self._until_done("cancel", "DELETE", path, None, {204})

    def _read(self, choose: random.Random) -> None:
        event = choose.choice(self.events)
        signed_in = {"Authorization": f"Bearer {self._token}"}
        path, headers = choose.choice(
            [
                ("/api/events/", {}),
                ("/api/events/?search=conference", {}),
                (f"/api/events/{event}/", {}),
                ("/api/me/", signed_in),
                (f"/api/events/{event}/attendees/", signed_in),
            ]
        )
        self._until_done("read", "GET", path, None, {200}, headers)

    def _organize(self, _: random.Random) -> None:
        """Sign in and create an event."""
        session = self._until_done("sign in", "POST", "/api/login/", self._organizer, {200})
        body = {
            "name": "Workshop",
            "location": "Hall",
            "start_time": "2040-05-25T14:00:00Z",
            "max_capacity": 9,
        }
        headers = {"Authorization": f"Bearer {session['access']}"}
        event = self._until_done("create", "POST", "/api/events/", body, {201}, headers)
        with self._lock:
            self.created.add(event["id"])

    def _until_done(  # noqa: PLR0917
        self,
        kind: str,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        statuses: set[int],
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Repeat a request, with one idempotency key, until it has one of the statuses."""
        headers = {"Idempotency-Key": str(uuid4()), **(headers or {})}
        while True:
            status, content = self._request(kind, method, path, body, headers)
            if status in statuses:
                return json.loads(content) if content else {}
            if 400 <= status < 500 and status not in {409, 429}:
                self.refused.append(f"{method} {path}: {status} {content[:300]!r}")
                raise AssertionError(self.refused[-1])
            time.sleep(PAUSE_SECONDS)

    def _request(
        self, kind: str, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        started_at = time.monotonic()
        status, content = 0, b""
        try:
            with closing(
                http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
            ) as client:
                payload = json.dumps(body) if body is not None else None
                client.request(
                    method, path, payload, {"Content-Type": "application/json", **headers}
                )
                response = client.getresponse()
                status, content = response.status, response.read()
        except (OSError, http.client.HTTPException):
            status = 0
        now = time.monotonic()
        with self._lock:
            self.responses.append(Response(now, kind, status, now - started_at))
        return status, content

    def _watch(self) -> None:
        """One viewer of live seat counts, which reconnects as a browser does."""
        path = f"/api/events/{self.events[0]}/stream/"
        while not self._stopping.is_set():
            try:
                with closing(
                    http.client.HTTPConnection("127.0.0.1", self._port, timeout=40)
                ) as client:
                    client.request("GET", path)
                    response = client.getresponse()
                    while response.status == 200 and not self._stopping.is_set():
                        line = response.readline()
                        if not line:
                            break
                        if line.startswith(b"data:"):
                            self.stream_messages.append(time.monotonic())
            except (OSError, http.client.HTTPException):
                pass
            self._stopping.wait(PAUSE_SECONDS)

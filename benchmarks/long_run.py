"""`python -m benchmarks.long_run`: mixed load on the whole service for minutes.

Guests and accounts read, register, create and edit through 64 connections, each of which sends its
next request at once. The mailer sends every mail to a real SMTP server. It prints the responses by
kind of request, and the memory of each process. Status 1: a response was 5xx.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from . import database, servers
from .contenders.product import Product
from .load import fetch
from .measures.mails import SmtpSink, mailer, managed
from .report import table

SLOW_SECONDS = 1.0
# Of the whole time. Caches are full then, so memory is compared with that of here.
_WARM_UP = 0.2
_TIMEOUT_SECONDS = 60
_FEED = "/api/events/calendar.ics?when=all&category=conference"
_ACCOUNTS = 8


class Request(NamedTuple):
    kind: str
    method: str
    path: str
    body: dict[str, object] | None = None
    headers: Mapping[str, str] = {}


@dataclass
class Account:
    headers: dict[str, str]
    events: list[int]


@dataclass
class World:
    """What the requests are about."""

    product: Product
    accounts: list[Account]
    open_events: list[int]
    numbers: Iterator[int] = field(default_factory=count)

    def requests(self, choose: random.Random) -> Callable[[], Request]:
        """Makes the next request of a connection, by the weights below."""
        kinds, weights = zip(*_WEIGHTS.items(), strict=True)
        return lambda: choose.choices(kinds, weights)[0](self, choose)


def _of(kind: str, path: str, *, signed_in: bool = False) -> Callable[..., Request]:
    def make(world: World, choose: random.Random) -> Request:
        account = choose.choice(world.accounts)
        event = choose.choice(account.events)
        headers = account.headers if signed_in else {}
        return Request(kind, "GET", path.format(event=event), headers=headers)

    return make


def _register(world: World, choose: random.Random) -> Request:
    account, event = choose.choice(world.accounts), choose.choice(world.open_events)
    is_guest = choose.random() < 0.7
    body: dict[str, object] = {"name": "Guest", "email": f"guest{next(world.numbers)}@example.org"}
    kind = "register, guest" if is_guest else "register, signed in"
    headers = {} if is_guest else account.headers
    return Request(kind, "POST", f"/api/events/{event}/register/", body, headers)


def _create(world: World, choose: random.Random) -> Request:
    body = json.loads(world.product.create_body.replace("{number}", str(next(world.numbers))))
    return Request("create", "POST", "/api/events/", body, choose.choice(world.accounts).headers)


def _edit(world: World, choose: random.Random) -> Request:
    account = choose.choice(world.accounts)
    body: dict[str, object] = {"description": f"Talks in room {next(world.numbers)}."}
    path = f"/api/events/{choose.choice(account.events)}/"
    return Request("edit", "PATCH", path, body, account.headers)


_WEIGHTS: dict[Callable[[World, random.Random], Request], int] = {
    _of("list, guest", "/api/events/"): 20,
    _of("category, guest", "/api/events/?category=conference"): 5,
    _of("search, guest", "/api/events/?search=python"): 5,
    _of("event, guest", "/api/events/{event}/"): 10,
    _of("feed", _FEED): 1,
    _of("list, signed in", "/api/events/", signed_in=True): 10,
    _of("search, signed in", "/api/events/?search=jazz+festival", signed_in=True): 3,
    _of("event, signed in", "/api/events/{event}/", signed_in=True): 5,
    _of("attendees", "/api/events/{event}/attendees/", signed_in=True): 3,
    _of("own events", "/api/me/events/", signed_in=True): 5,
    _of("me", "/api/me/", signed_in=True): 5,
    _register: 10,
    _create: 2,
    _edit: 3,
}


class Recorder:
    """The responses so far. Threads share it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.statuses: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.samples: dict[int, str] = {}
        self._lock = threading.Lock()

    def add(self, kind: str, status: int, seconds: float, body: bytes) -> None:
        with self._lock:
            self.seconds[kind].append(seconds)
            self.statuses[kind][status] += 1
            if status >= 300:
                self.samples.setdefault(status, body[:300].decode(errors="replace"))

    def table(self) -> str:
        rows = [
            [
                kind,
                f"{len(seconds):,}",
                *(f"{1000 * value:.0f}" for value in _spread(seconds)),
                f"{sum(each > SLOW_SECONDS for each in seconds):,}",
                " ".join(f"{code}: {n:,}" for code, n in sorted(self.statuses[kind].items())),
            ]
            for kind, seconds in self.seconds.items()
        ]
        titles = ["request", "number", "p50 ms", "p99 ms", "max ms", "above 1 s", "statuses"]
        return table(titles, rows)

    def failures(self) -> int:
        return sum(
            number
            for statuses in self.statuses.values()
            for status, number in statuses.items()
            if status >= 500 or status == 0
        )


def _spread(seconds: list[float]) -> tuple[float, float, float]:
    parts = quantiles([*seconds, seconds[-1]], n=100, method="inclusive")
    return parts[49], parts[98], max(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_run", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--events", type=int, default=200_000)
    options = parser.parse_args()
    with (
        database.server() as server_url,
        database.scratch_database(server_url) as database_url,
        SmtpSink() as sink,
    ):
        product = Product(database_url)
        product.create_tables()
        product.create_events(options.events)
        environment = {**product.environment(), "EMAIL_URL": f"smtp://127.0.0.1:{sink.port}"}
        environment["RATE_LIMITS"] += ",feed=9999999/min"
        with (
            servers.running(product.application, environment) as (port, web),
            mailer(environment, sink.port) as mailing,
            managed(environment, "procrastinate", "worker", "--concurrency", "4") as working,
        ):
            world = _world(product, port)
            processes = {"web": web, "mailer": mailing.pid, "worker": working.pid}
            recorder, memory = _run(world, port, processes, options)
            print(recorder.table())
            print(f"\n{_memory_table(memory)}\n\n{sink.mails:,} mails")
            for status, sample in recorder.samples.items():
                print(f"{status}: {sample}")
    sys.exit(recorder.failures() > 0)


def _world(product: Product, port: int) -> World:
    accounts = []
    for _ in range(_ACCOUNTS):
        headers = product.sign_up(port)
        own = fetch(port, "/api/me/events/", headers=headers)["results"]
        accounts.append(Account(headers, [event["id"] for event in own]))
    database.settle(product.database_url)
    return World(product, accounts, [account.events[0] for account in accounts])


Memory = dict[str, list[float]]


def _run(
    world: World, port: int, processes: Mapping[str, int], options: argparse.Namespace
) -> tuple[Recorder, Memory]:
    """The responses, and the memory of each process at the start, after the warm-up, at the end."""
    recorder, stopping = Recorder(), threading.Event()
    threads = [
        threading.Thread(
            target=_connection, args=(port, world.requests(random.Random(seed)), recorder, stopping)
        )
        for seed in range(options.connections)
    ]
    memory: Memory = defaultdict(list)
    seconds = 60 * options.minutes
    _note_memory(memory, processes)
    for thread in threads:
        thread.start()
    for share in (_WARM_UP, 1 - _WARM_UP):
        time.sleep(share * seconds)
        _note_memory(memory, processes)
    stopping.set()
    for thread in threads:
        thread.join()
    return recorder, memory


def _connection(
    port: int, next_request: Callable[[], Request], recorder: Recorder, stopping: threading.Event
) -> None:
    while not stopping.is_set():
        with closing(HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)) as client:
            while not stopping.is_set() and _exchange(client, next_request(), recorder):
                pass


def _exchange(client: HTTPConnection, request: Request, recorder: Recorder) -> bool:
    """Send one request. False if the connection failed, which is recorded as status 0."""
    body = None if request.body is None else json.dumps(request.body)
    headers = {"Accept": "*/*", "Content-Type": "application/json", **request.headers}
    started = time.perf_counter()
    try:
        client.request(request.method, request.path, body, headers)
        response = client.getresponse()
        status, content = response.status, response.read()
    except OSError as error:
        status, content = 0, repr(error).encode()
    recorder.add(request.kind, status, time.perf_counter() - started, content)
    return status != 0


def _note_memory(memory: Memory, processes: Mapping[str, int]) -> None:
    for name, pid in processes.items():
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        memory[name].append(_resident(pid))
        for number, child in enumerate(children, 1):
            memory[f"{name}, process {number}"].append(_resident(int(child)))


def _resident(pid: int) -> float:
    """MB."""
    [line] = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line
    ]
    return int(line.split()[1]) / 1024


def _memory_table(memory: Memory) -> str:
    rows = [[name, *(f"{value:.0f}" for value in values)] for name, values in memory.items()]
    return table(["MB of", "at the start", "after a fifth", "at the end"], rows)


if __name__ == "__main__":
    main()

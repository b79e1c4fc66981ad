"""The load generator: one process, one loop, keep-alive connections. `python -m benchmarks.load`.

Reads a job as JSON on stdin and writes what it saw as JSON on stdout. Standard library only. A
request is a few bytes put together, an answer is read as far as its status and Content-Length.
"""

import contextlib
import json
import re
import selectors
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NUMBER = "{number}"  # in a path or body: another 8 digits for each request

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Job:
    """What to send: for `seconds` in slices, or `requests` in all.

    Connections are kept for a slice. Which worker process accepts how many of them is chance, so
    each slice draws anew.
    """

    port: int
    path: str
    body: str | None = None
    method: str = ""  # by default GET without a body, else POST
    connections: int = 8
    seconds: float | None = None
    slices: int = 1
    requests: int | None = None
    first_number: int = 0
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """`answers` came within the time; `statuses` has also those that were then under way."""

    answers: int = 0
    elapsed_seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    samples: dict[str, str] = field(default_factory=dict)  # the first body of each status
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0

    @property
    def per_second(self) -> float:
        return self.answers / self.elapsed_seconds


def merged(results: Sequence[Result]) -> Result:
    """Of several loads one after the other."""
    statuses: Counter[str] = Counter()
    for result in results:
        statuses.update(result.statuses)
    return Result(
        answers=sum(result.answers for result in results),
        elapsed_seconds=sum(result.elapsed_seconds for result in results),
        statuses=dict(statuses),
        p50_ms=median(result.p50_ms for result in results),
        p99_ms=median(result.p99_ms for result in results),
        max_ms=max(result.max_ms for result in results),
    )


class LoadError(Exception):
    """The load could not be driven as it was meant to."""


def drive(job: Job) -> Result:
    """Run a job in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise LoadError(f"The load generator failed:\n{done.stderr.strip()}")
    return Result(**json.loads(done.stdout))


def fetch(port: int, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """One JSON answer; `LoadError` when it is a refusal."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.request("POST" if body else "GET", path, json.dumps(body) if body else None, sent)
        answer = client.getresponse()
        content = answer.read()
    if answer.status not in {200, 201}:
        raise LoadError(f"{path} answered {answer.status}: {content[:300]!r}")
    return json.loads(content)


# --- In the process -----------------------------------------------------------------------------


class _Connection:
    __slots__ = ("_received", "sent_at", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.sent_at = perf_counter()
        self.socket.sendall(request)

    def receive(self) -> tuple[str, bytes] | None:
        """Status and body, once all of the answer is there."""
        piece = self.socket.recv(262_144)
        if not piece:
            raise LoadError("The server closed a connection that was to be kept.")
        answer = self._received + piece if self._received else piece
        head_end = answer.find(_HEAD_END)
        if head_end >= 0:
            length = _LENGTH.search(answer, 0, head_end)
            if length is None:
                raise LoadError(f"An answer without Content-Length: {answer[:head_end]!r}")
            body_start = head_end + len(_HEAD_END)
            if len(answer) >= body_start + int(length[1]):
                self._received = b""
                return answer[9:12].decode(), answer[body_start:]
        self._received = answer
        return None


class _Requests:
    """Ready-made bytes with a number put in."""

    def __init__(self, job: Job) -> None:
        body = (job.body or "").replace(NUMBER, "0" * 8).encode()
        method = job.method or ("GET" if job.body is None else "POST")
        head = f"{method} {job.path} HTTP/1.1\r\n"
        head += f"Host: 127.0.0.1:{job.port}\r\nAccept: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in job.headers.items())
        if job.body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._parts = f"{head}\r\n{job.body or ''}".encode().split(NUMBER.encode())
        self._numbers = count(job.first_number)
        self._end = None if job.requests is None else job.first_number + job.requests

    def next(self) -> bytes | None:
        number = next(self._numbers)
        if self._end is not None and number >= self._end:
            return None
        return (b"%08d" % number).join(self._parts)


class _Run:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._requests = _Requests(job)
        self._result = Result()
        self._latencies: list[float] = []
        self._statuses: Counter[str] = Counter()

    def result(self) -> Result:
        for _ in range(self._job.slices):
            self._run_slice()
        result, sorted_latencies = self._result, sorted(self._latencies)
        if not sorted_latencies:
            raise LoadError("Not one answer.")
        result.statuses = dict(self._statuses)
        result.p50_ms = 1000 * sorted_latencies[len(sorted_latencies) // 2]
        result.p99_ms = 1000 * sorted_latencies[len(sorted_latencies) * 99 // 100]
        result.max_ms = 1000 * sorted_latencies[-1]
        return result

    def _run_slice(self) -> None:
        connections = [_Connection(self._job.port) for _ in range(self._job.connections)]
        try:
            self._drive(connections)
        finally:
            for connection in connections:
                connection.socket.close()

    def _drive(self, connections: list[_Connection]) -> None:
        seconds = self._job.seconds
        with selectors.DefaultSelector() as selector:
            started = last = perf_counter()
            deadline = started + seconds / self._job.slices if seconds else float("inf")
            for connection in connections:
                if request := self._requests.next():
                    connection.send(request)
                    selector.register(connection.socket, selectors.EVENT_READ, connection)
            while selector.get_map():
                ready = selector.select(_PATIENCE_SECONDS)
                if not ready:
                    raise LoadError(f"No answer for {_PATIENCE_SECONDS:.0f} seconds.")
                for key, _ in ready:
                    connection = key.data
                    answer = connection.receive()
                    if answer is None:
                        continue
                    last = perf_counter()
                    self._note(answer, last - connection.sent_at, is_in_time=last <= deadline)
                    request = self._requests.next() if last < deadline else None
                    if request is None:
                        selector.unregister(connection.socket)
                    else:
                        connection.send(request)
        self._result.elapsed_seconds += deadline - started if seconds else last - started

    def _note(self, answer: tuple[str, bytes], latency: float, *, is_in_time: bool) -> None:
        status, body = answer
        self._latencies.append(latency)
        if status not in self._statuses:
            self._result.samples[status] = body[:500].decode(errors="replace")
        self._statuses[status] += 1
        self._result.answers += is_in_time


def main() -> None:
    try:
        result = _Run(Job(**json.load(sys.stdin))).result()
    except (LoadError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    json.dump(asdict(result), sys.stdout)


if __name__ == "__main__":
    main()

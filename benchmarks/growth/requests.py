"""Sends requests in process, on the database of DATABASE_URL.

`python -m benchmarks.growth.requests` prints the results as JSON. Times are of the whole
application, without a web server. Processor time is that of this process and of the server's
process that it is connected to, which has to run on this machine. The plans are those that the
server logs (`auto_explain`), which needs a superuser.
"""

import io
import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from django.db import connection

import config.wsgi  # first, since it sets Django up
from accounts.models import User
from accounts.tokens import open_session
from events.models import Event

from ..contenders.product import OPEN_EVENT

WARM_UP = 12
BLOCKS = 5
BLOCK_SIZE = 12
EVENTS = "/api/events/"
_EVENT_BODY = {
    "name": "Fair", "description": "Talks and demos.", "location": "Hall 1",
    "start_time": "2099-03-01T09:00:00Z", "end_time": "2099-03-01T17:00:00Z",
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """Of one request. `scans` are the nodes of its plans that read rows, with their numbers."""

    elapsed_ms: float
    processor_ms: float
    pages: int
    scans: list[str]


def main() -> None:
    costs = {}
    for title, send in _requests().items():
        for _ in range(WARM_UP):
            send()
        blocks = [_block(send) for _ in range(BLOCKS)]
        elapsed, processor = (median(each) for each in zip(*blocks, strict=True))
        with _logged_plans() as plans:
            send()
        nodes = [node for plan in plans for node in _nodes(plan)]
        pages = sum(_pages(plan) for plan in plans)
        costs[title] = asdict(
            Cost(elapsed, processor, pages, sorted(filter(None, map(_scan, nodes))))
        )
    json.dump(costs, sys.stdout)


def _block(send: Callable[[], None]) -> tuple[float, float]:
    """Milliseconds of a request: the median of those elapsed, the mean of those of processors."""
    times = []
    processor = _processor_seconds()
    for _ in range(BLOCK_SIZE):
        began_at = time.perf_counter()
        send()
        times.append(time.perf_counter() - began_at)
    return 1000 * median(times), 1000 * (_processor_seconds() - processor) / BLOCK_SIZE


def _processor_seconds() -> float:
    server = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
    return time.process_time() + int(server.split()[0]) / 1e9


def _requests() -> dict[str, Callable[[], None]]:
    name = f"host-{secrets.token_hex(6)}"
    host = User.objects.create_user(f"{name}@example.org", username=name)
    own, other = _open_events(name, 30), _open_events(name, 1)[0]
    numbers = count(secrets.randbelow(10**9) * 1000)
    crowded = Event.objects.order_by("-registered_count").first()
    assert crowded
    owner = _token(crowded.organizer)
    me = _token(host)
    guest: dict[str, str] = {}

    def get(path: str, query: str = "", headers: Mapping[str, str] = guest) -> Callable[[], None]:
        return lambda: _send("GET", path, query, headers=headers)

    def register() -> None:
        body = {"name": "Guest", "email": f"guest{next(numbers)}@example.org"}
        _send("POST", f"{EVENTS}{other}/register/", body=body)

    def edit() -> None:
        body = {"description": f"Talks and demos in room {next(numbers)}."}
        _send("PATCH", f"{EVENTS}{own[1]}/", body=body, headers=me)

    attendees = f"{EVENTS}{crowded.pk}/attendees/"
    return {
        "list": get(EVENTS),
        "list, signed in": get(EVENTS, headers=me),
        "category": get(EVENTS, "category=conference"),
        "category, signed in": get(EVENTS, "category=conference", me),
        "search, one word": get(EVENTS, "search=python"),
        "search, two words": get(EVENTS, "search=jazz+festival"),
        "search, two words, signed in": get(EVENTS, "search=jazz+festival", me),
        "one event": get(f"{EVENTS}{own[0]}/"),
        "one event, signed in": get(f"{EVENTS}{own[0]}/", headers=me),
        "profile": get("/api/me/", headers=me),
        "own events": get("/api/me/events/", headers=me),
        "attendees of 100,000": get(attendees, headers=owner),
        "attendees, part of an address": get(attendees, "search=attendee77", owner),
        "register": register,
        "create an event": lambda: _send("POST", EVENTS, body=_EVENT_BODY, headers=me),
        "edit an event": edit,
        "feed of a category": get(f"{EVENTS}calendar.ics", "when=all&category=conference"),
    }


def _open_events(organizer: str, number: int) -> list[int]:
    with connection.cursor() as cursor:
        values = {"organizer": organizer, "seats": 100_000_000, "number": number}
        cursor.execute(OPEN_EVENT, values)
        return [pk for (pk,) in cursor.fetchall()]


def _token(account: User) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {open_session(account)['access']}"}


def _send(
    method: str,
    path: str,
    query: str = "",
    body: dict[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    content = b"" if body is None else json.dumps(body).encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1", "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(content),
        "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": True,
        "wsgi.run_once": False, "CONTENT_LENGTH": str(len(content)), **(headers or {}),
    }  # fmt: skip
    if body is not None:
        environ["CONTENT_TYPE"] = "application/json"
    statuses: list[str] = []
    response = config.wsgi.application(environ, lambda status, *_: statuses.append(status))
    text = b"".join(response)
    getattr(response, "close", lambda: None)()
    if not statuses[0].startswith("2"):
        raise RuntimeError(f"{method} {path}: {statuses[0]}: {text[:500]!r}")


@contextmanager
def _logged_plans() -> Iterator[list[dict[str, Any]]]:
    """The plans of all statements, with the rows and pages that they read."""
    plans: list[dict[str, Any]] = []

    def read(diagnostic: Any) -> None:
        _, is_plan, text = (diagnostic.message_primary or "").partition("plan:\n")
        if is_plan:
            plans.append(json.loads(text)["Plan"])

    parameters = {
        "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on",
        "auto_explain.log_buffers": "on", "auto_explain.log_timing": "off",
        "auto_explain.log_format": "json", "client_min_messages": "log",
    }  # fmt: skip
    driver = connection.connection
    with connection.cursor() as cursor:
        cursor.execute("LOAD 'auto_explain'")
        for name, value in parameters.items():
            cursor.execute(f"SET {name} = '{value}'")
    driver.add_notice_handler(read)
    yield plans
    driver.remove_notice_handler(read)
    with connection.cursor() as cursor:
        cursor.execute("SET auto_explain.log_min_duration = -1")
        cursor.execute("RESET client_min_messages")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _scan(node: dict[str, Any]) -> str:
    """Empty if the node reads no table."""
    name = node.get("Index Name") or node.get("Relation Name")
    if not name or node["Node Type"] == "ModifyTable":
        return ""
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    rows = (node["Actual Rows"] + removed) * node["Actual Loops"]
    return f"{node['Node Type']} {name}: {rows:,.0f}"


def _pages(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


if __name__ == "__main__":
    main()

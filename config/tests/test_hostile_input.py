"""Hostile input to every route gets a response or a clear error, and never a 5xx."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from accounts.notifications.mailer import Mailer
from accounts.tokens import open_session
from config.api.views import ApiView
from config.docs import openapi_document
from config.errors import all_errors
from events.models import Event
from registrations.models import Registration

from .access import File, World, make_world
from .routes import METHODS, Route, routes

CODES = {error.code for error in all_errors()}
ROUTES = [route for route in routes() if route.path.startswith("api/")]

TEXTS = [
    "a%00b",
    "%FF%FE",  # no UTF-8
    "%ED%A0%80",  # a lone surrogate
    "%F0%9F%92%A9%E2%80%AE",  # beyond the first plane; writing turned around
    "9" * 400,
    "-1e309",
    "%0D%0ASet-Cookie:%20a=b%2",
    "((((%27%3B--",
    "9999-12-31T23:59:59-15:59",
    "0001-01-01T00:00:00%2B15:59",
    "a" * 5000,
]
PATHS = ["%00", "%FF", "..%2F..", "0", "-1", "9" * 400, "1e5", "%E2%80%AE", "1%0A", "1;2"]
HEADERS: list[dict[str, str]] = [
    {"Accept": "\x00"},
    {"Accept": "*/*;q=nan, text/html;;;=,,"},
    {"Accept": "a" * 5000},
    {"Content-Type": "application/json; charset=utf-7; boundary="},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "\xff"},
    {"If-None-Match": '"' * 500},
    {"If-None-Match": "W/"},
    {"If-Match": '"\xff'},
    {"If-Modified-Since": "Thu, 99 Jan 99999 99:99:99 GMT"},
    {"Time-Zone": "../../etc/passwd"},
    {"Time-Zone": "\x00"},
    {"Idempotency-Key": "\xff\x00\u00e9"},
    {  # none of these prevents a response of the route itself, so they come together
        "X-Forwarded-For": "\x00, [::1%25eth0]:99999999, 999.1.1.1",
        "X-Request-ID": "a\r\nSet-Cookie: a=b",
        "Accept-Language": "\x00" * 50,
        "Cookie": "sessionid=\x00; csrftoken",
        "User-Agent": "\x00\ud83d\udca9".encode("utf-8", "surrogatepass").decode("latin-1"),
        "Range": "bytes=5-1,-9999999999999999999999",
    },
    {"Content-Length": "-1"},
    {"Content-Length": "9" * 5000},
]
AUTHORIZATIONS = [
    "Bearer",
    "Bearer a b",
    "Bearer \xff\xfe",
    "Bearer " + "a." * 5000,
    "Bearer eyJhbGciOiJub25lIn0.eyJzaWQiOiJcdTAwMDAifQ.",
    "Basic \x00",
    "Digest username=",
    "",
]
RAW: list[tuple[str, bytes]] = [
    ("application/json", b""),
    ("application/json", b"null"),
    ("application/json", b"[]"),
    ("application/json", b'"text"'),
    ("application/json", b"1e999"),
    ("application/json", b"9" * 5000),
    ("application/json", b'{"name": "\xff\xfe"}'),
    ("application/json", b'{"name": "\\ud800"}'),
    ("application/json", b'{"a": NaN}'),
    ("application/json", b'{"a":' * 5000),
    ("application/json", b"[" * 40 + b"]" * 40),
    ("application/json", b'{"a": 1, "a": 2, "__proto__": {}, "": 0, "\\u0000": 1}'),
    ("application/json", b"\xef\xbb\xbf{}"),
    ("application/x-www-form-urlencoded", b"name=%00&name=%FF&=&&%"),
    ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(3000))),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data"),
    ("multipart/form-data; boundary=" + "x" * 300, b"nothing"),
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="\x00"\r\n\r\n\xff\r\n--x--',
    ),
    ("text/csv", b'\xff\xfe\x00"'),
    ("application/xml", b"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>"),
]
VALUES: list[Any] = [
    "a\x00b",
    "a\r\nBcc: x@example.com",
    "\u202egnp.exe",
    "=cmd|' /C calc'!A0",
    "x" * 100_000,
    "\U0001f4a9" * 300,
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    2**63,
    -(2**200),
    1e308,
    True,
    None,
    [],
    [[]],
    {"a": {"b": None}},
]


@pytest.fixture
def world(db) -> World:
    return make_world()


@pytest.fixture
def clients(world: World) -> list[APIClient]:
    """A guest, and the account with the most rights."""
    found = [APIClient(raise_request_exception=False) for _ in range(2)]
    access = open_session(world.people["olga"])["access"]
    found[1].credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
    return found


def address_of(route: Route, world: World) -> str:
    """One that leads to something of olga's."""
    rows = world.rows()
    for part, row in (
        ("registrations/", "guest's"),
        ("me/sessions/", "olga's-session"),
        ("users/", "olga"),
        ("feedback/", "ana's-feedback"),
        ("messages/", "message"),
        ("series/", "series"),
        ("webhooks/", "delivery"),
        ("categories/", "conference"),
    ):
        if route.path.startswith(f"api/{part}<"):
            return route.address(rows[row][0])
    return route.address(rows["published"][0])


class Faults:
    """What came back and should not have."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.request_count = 0

    def send(self, client: Client, method: str, address: str, **extra: Any) -> int:
        """The status of the response, whose rows are not kept."""
        self.request_count += 1
        with transaction.atomic():
            response = client.generic(method, address, **extra)
            content = b"".join(response) if response.streaming else response.content
            transaction.set_rollback(True)
        why = self._fault(response, content)
        if why:
            self.found.append(f"{method} {address[:120]} {str(extra)[:200]}: {why}")
        return response.status_code

    def _fault(self, response: Any, content: bytes) -> str:
        if response.status_code >= 500 and response.status_code != 503:
            return f"{response.status_code} {content[:200]!r}"
        if response.status_code >= 400:
            if response["Content-Type"] != "application/problem+json":
                return f"{response.status_code} is {response['Content-Type']}"
            if not any(f'"code":"{code}"'.encode() in content for code in CODES):
                return f"no code of ours: {content[:200]!r}"
        if "Set-Cookie" in response or any(
            "\r" in value or "\n" in value for _, value in response.items()
        ):
            return "a header was made by the request"
        return ""


@pytest.fixture
def faults() -> Iterator[Faults]:
    faults = Faults()
    yield faults
    assert faults.request_count > 50
    assert faults.found == []


def share(values: list[Any], turn: int, shares: int = 4) -> list[Any]:
    """One share of the values, in turn, where code that all routes have in common reads them."""
    return values[turn % shares :: shares]


def parameters_of(route: Route) -> list[str]:
    known = {"format", "timezone", "no_such"}
    if isinstance(route.view, type) and issubclass(route.view, ApiView):
        known |= route.view().known_parameters("GET")
    return sorted(known)


def test_query_parameters(world, clients, faults):
    """Those of many routes get each text on several of them, and all others on their own."""
    parameters = {route: parameters_of(route) for route in ROUTES if "GET" in route.methods}
    routes_with = Counter(name for names in parameters.values() for name in names)
    turns: Counter[str] = Counter()
    for route, names in parameters.items():
        address = address_of(route, world)
        for name in names:
            texts = share(TEXTS, turns[name]) if routes_with[name] > 15 else TEXTS
            turns[name] += 1
            for text in texts:
                faults.send(clients[1], "GET", f"{address}?{name}={text}")


def test_query_strings(world, clients, faults):
    many = "&".join(f"p{number}=1" for number in range(2000))
    same = "&".join(["ordering=name"] * 2000)
    for route in ROUTES:
        address = address_of(route, world)
        for query in (
            "%00=1",
            "=",
            "&&&;;",
            "a=1;b=2",
            "%FF=%FF",
            "\xff=\xfe",
            many,
            same,
            "?" * 99,
        ):
            faults.send(clients[1], route.methods[0], f"{address}?{query}")


def test_paths(world, clients, faults):
    for route in ROUTES:
        if "<" not in route.path:
            continue
        beginning, _, rest = route.path.partition("<")
        for text in PATHS:
            address = f"/{beginning}{text}{rest.partition('>')[2]}"
            faults.send(clients[1], route.methods[0], address)


def test_headers(world, clients, faults):
    for route in ROUTES:
        address = address_of(route, world)
        for headers in HEADERS:
            extra = {"content_type": headers["Content-Type"]} if "Content-Type" in headers else {}
            faults.send(clients[1], route.methods[0], address, headers=headers, **extra)


def test_authorization(world, clients, faults):
    for route in ROUTES:
        address = address_of(route, world)
        for value in AUTHORIZATIONS:
            faults.send(clients[0], route.methods[0], address, headers={"Authorization": value})


def test_bodies(world, clients, faults):
    """Guests send each where they may, and in turn where they are refused before it is read."""
    guest, organizer = clients
    for turn, route in enumerate(ROUTES):
        address = address_of(route, world)
        for method in set(METHODS[1:]) & set(route.methods):
            for media_type, body in RAW:
                faults.send(organizer, method, address, data=body, content_type=media_type)
            refused = faults.send(guest, method, address) == 401
            for media_type, body in share(RAW, turn) if refused else RAW:
                faults.send(guest, method, address, data=body, content_type=media_type)


def test_each_field_of_each_body(world, clients, faults):
    document = json.loads(openapi_document("json"))
    bodies = world.bodies()
    for route in ROUTES:
        address = address_of(route, world)
        for method in set(METHODS[1:]) & set(route.methods):
            operation = document["paths"].get(_documented(route), {}).get(method.lower(), {})
            valid = bodies.get(f"{method} {route.path}", {})
            if isinstance(valid, File):
                continue
            for name in _properties(document, operation):
                for value in VALUES:
                    body = json.dumps({**valid, name: value})
                    faults.send(
                        clients[1], method, address, data=body, content_type="application/json"
                    )


def _documented(route: Route) -> str:
    path = route.path
    for converter in ("id", "uuid", "slug"):
        path = path.replace(f"<{converter}:", "{")
    return f"/{path.replace('>', '}')}"


def _properties(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    """Of a JSON body, also of its first level behind references."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    found: list[str] = []
    waiting = [content.get("schema", {})]
    while waiting:
        schema = waiting.pop()
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            waiting.append(document["components"]["schemas"][name])
        found += schema.get("properties", {})
        for key in ("allOf", "anyOf", "oneOf"):
            waiting += schema.get(key, [])
    return sorted(set(found))


# --- what is safely encoded ---


@pytest.mark.parametrize(
    "control", ["\u202e", "\u202a", "\u2066", "\u2069", "\r\n", "\x85", "\u2028"]
)
def test_names_on_one_line_read_as_they_are_written(clients, world, control):
    guest, organizer = clients
    path = f"/api/events/{world.events['published'].pk}/"
    name = f"Bob{control}gpj.exe"

    for response in (
        guest.post(f"{path}register/", {"name": name, "email": "bob@example.com"}),
        organizer.patch(path, {"name": name}),
        organizer.patch(path, {"location": name}),
    ):
        assert response.status_code == 400
        assert response.json()["errors"][0]["code"] == "invalid"


def test_names_of_every_script_are_taken(clients, world):
    path = f"/api/events/{world.events['published'].pk}/register/"

    for number, name in enumerate(["נועה\u200f", "علي", "佐藤", "Zoë 👩‍👩‍👧", "Ÿ\u0301"]):
        response = clients[0].post(path, {"name": name, "email": f"n{number}@example.com"})
        assert (response.status_code, response.json()["name"]) == (201, name)


def test_stored_line_break_reaches_no_header_calendar_or_table(clients, world):
    """As a row may hold that another program wrote."""
    event = world.events["published"]
    evil = "Gala\r\nBcc: evil@example.com\r\nSUMMARY:x"
    Event.objects.filter(pk=event.pk).update(name=evil, location=evil)
    Registration.objects.filter(event=event).update(name=evil)
    guest, organizer = clients

    made = guest.post(
        f"/api/events/{event.pk}/register/", {"name": "Bob", "email": "bob@example.com"}
    )
    mailer = Mailer()
    mailer.deliver_batch()
    mailer.close()
    calendar = guest.get(f"/api/events/{event.pk}/calendar.ics").content.decode()
    export = organizer.get(f"/api/events/{event.pk}/attendees/export/")
    table = list(csv.reader(io.StringIO(b"".join(export).decode(), newline="")))

    assert made.status_code == 201
    assert len(mail.outbox) >= 1
    for message in mail.outbox:
        assert message.message()["Bcc"] is None
        assert "\n" not in message.subject
        assert set(message.recipients()) == {message.to[0]}
    assert [line for line in calendar.splitlines() if line.startswith(("Bcc", "SUMMARY:x"))] == []
    assert {len(row) for row in table} == {len(table[0])}
    assert "\n" not in export["Content-Disposition"]

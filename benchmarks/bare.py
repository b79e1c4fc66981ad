"""The least that can do the work: a WSGI function, one statement, no framework."""

import os
import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg

SCHEMA = """
    CREATE SCHEMA bare;
    CREATE TABLE bare.event (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        location text NOT NULL DEFAULT '',
        start_time timestamptz NOT NULL DEFAULT now(),
        end_time timestamptz NOT NULL DEFAULT now(),
        capacity integer NOT NULL,
        taken integer NOT NULL DEFAULT 0 CHECK (taken <= capacity)
    );
    CREATE INDEX ON bare.event (start_time, id);
    CREATE TABLE bare.registration (
        id uuid PRIMARY KEY,
        event_id bigint NOT NULL REFERENCES bare.event,
        name text NOT NULL,
        email text NOT NULL,
        registered_at timestamptz NOT NULL,
        UNIQUE (event_id, email)
    );
"""

_REGISTER = """
    WITH seat AS (
        UPDATE bare.event SET taken = taken + 1
        WHERE id = %(event_id)s AND taken < capacity
        RETURNING id
    )
    INSERT INTO bare.registration (id, event_id, name, email, registered_at)
    SELECT %(id)s, id, %(name)s, %(email)s, %(registered_at)s FROM seat
"""

_LIST = """
    SELECT id, name, description, location, start_time, end_time, capacity, taken
    FROM bare.event WHERE start_time > now() ORDER BY start_time, id LIMIT 20
"""
_LIST_COLUMNS = (
    "id", "name", "description", "location", "start_time", "end_time", "capacity", "taken",
)  # fmt: skip

_thread = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    match environ["REQUEST_METHOD"], environ["PATH_INFO"].strip("/").split("/"):
        case "POST", ["events", event_id, "register"]:
            status, answer = _register(int(event_id), orjson.loads(environ["wsgi.input"].read()))
        case "GET", ["events"]:
            status, answer = _list()
        case _:
            status, answer = "404 Not Found", {"detail": "Not found."}
    body = orjson.dumps(answer)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def _list() -> tuple[str, dict[str, Any]]:
    rows = _connection().execute(_LIST).fetchall()
    return "200 OK", {"results": [dict(zip(_LIST_COLUMNS, row, strict=True)) for row in rows]}


def _register(event_id: int, given: dict[str, str]) -> tuple[str, dict[str, Any]]:
    registration = {
        "id": uuid.uuid4(),
        "event_id": event_id,
        "name": given["name"],
        "email": given["email"].lower(),
        "registered_at": datetime.now(UTC),
    }
    try:
        is_accepted = _connection().execute(_REGISTER, registration).rowcount == 1
    except psycopg.errors.UniqueViolation:
        return "409 Conflict", {"detail": "This address is already registered."}
    if not is_accepted:
        return "409 Conflict", {"detail": "The event is full."}
    return "201 Created", registration


def _connection() -> psycopg.Connection[Any]:
    """One for each thread, kept."""
    if not hasattr(_thread, "connection"):
        url = os.environ["BENCHMARKS_DATABASE_URL"]
        _thread.connection = psycopg.connect(url, autocommit=True)
    return _thread.connection  # type: ignore[no-any-return]

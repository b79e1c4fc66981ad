"""Many events in one request."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conftest import NOW
from events.models import Event

pytestmark = pytest.mark.django_db

BULK = "/api/events/bulk/"
TALK = {"name": "Talk", "location": "Hall", "start_time": "2027-05-25T14:00:00Z"}


@pytest.fixture
def client(clock, olga, signed_in):
    return signed_in(olga)


def talks(number: int) -> list[dict]:
    return [{**TALK, "name": f"Talk {n}"} for n in range(number)]


def test_bulk_creates_the_same_events_as_single_creates(client):
    rows = [
        {**TALK, "category": "conference", "max_capacity": 5},
        {"name": " Draft ", "location": "Hall", "date": "2027-05-25", "time": "14:00",
         "timezone": "Asia/Kolkata", "status": "draft"},
    ]  # fmt: skip

    response = client.post(BULK, {"events": rows})
    single = [client.post("/api/events/", row).json() for row in rows]

    assert response.status_code == 201
    assert response["Location"] == "http://testserver/api/me/events/"
    report = response.json()
    assert (report["created"], report["refused"]) == (2, 0)
    assert [(r["index"], r["status"], r["errors"]) for r in report["results"]] == [
        (0, "created", []),
        (1, "created", []),
    ]
    own = ("id", "page_url", "calendar_url", "google_calendar_url")
    assert [
        {name: value for name, value in result["event"].items() if name not in own}
        for result in report["results"]
    ] == [{name: value for name, value in event.items() if name not in own} for event in single]
    assert (
        client.get(f"/api/events/{report['results'][1]['event']['id']}/").json()["name"] == "Draft"
    )


def test_bulk_accepts_a_bare_array(client):
    response = client.post(BULK, talks(3))

    assert response.json()["created"] == Event.objects.count() == 3


def test_bulk_events_match_searches(client, anyone):
    client.post(BULK, talks(2))

    rows = anyone.get("/api/events/?search=talk").json()["results"]

    assert sorted(event["name"] for event in rows) == ["Talk 0", "Talk 1"]


def test_one_bad_row_prevents_all_events(client):
    rows = [
        *talks(3),
        {**TALK, "name": " ", "max_capacity": 0},
        "no event",
        None,
        {**TALK, "start_time": "2020-01-01T00:00:00Z"},
        {**TALK, "category": "no-such"},
    ]

    response = client.post(BULK, {"events": rows})

    assert response.status_code == 400
    problem = response.json()
    assert problem["code"] == "validation_error"
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [
        ("events.3.name", "blank"),
        ("events.3.max_capacity", "min_value"),
        ("events.4", "invalid"),
        ("events.5", "null"),
        ("events.6.start_time", "in_the_past"),
        ("events.7.category", "unknown_category"),
    ]
    assert not Event.objects.exists()


@pytest.mark.parametrize(("query", "body"), [("?partial=true", {}), ("", {"partial": True})])
def test_partial_creates_the_good_rows(client, query, body):
    rows = [TALK, {**TALK, "name": ""}, {**TALK, "start_time": "2020-01-01T00:00:00Z"}]

    response = client.post(BULK + query, {"events": rows, **body})

    assert response.status_code == 201
    report = response.json()
    assert (report["created"], report["refused"]) == (1, 2)
    assert [result["status"] for result in report["results"]] == ["created", "refused", "refused"]
    assert report["results"][1]["event"] is None
    assert [
        (error["field"], error["code"]) for r in report["results"] for error in r["errors"]
    ] == [
        ("events.1.name", "blank"),
        ("events.2.start_time", "in_the_past"),
    ]
    assert Event.objects.get().pk == report["results"][0]["event"]["id"]


def test_partial_with_only_bad_rows_is_refused(client):
    response = client.post(f"{BULK}?partial=true", [{**TALK, "name": ""}])

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "events.0.name"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"events": None}, "null"),
        ({"events": "x"}, "invalid"),
        ({"events": {"0": TALK}}, "invalid"),
        ({"events": []}, "min_length"),
        ([], "min_length"),
        (talks(1001), "max_length"),
    ],
)
def test_bulk_refuses_a_body_without_a_list_of_events(client, body, code):
    response = client.post(BULK, body)

    assert response.status_code == 400
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [("events", code)]


def test_a_thousand_events_take_as_many_queries_as_two(client):
    counts = []
    for number in (2, 1000):
        rows = [{**row, "category": "conference"} for row in talks(number)]
        with CaptureQueriesContext(connection) as queries:
            assert client.post(BULK, rows).json()["created"] == number
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert Event.objects.filter(created_at=NOW).count() == 1002


def test_bulk_takes_a_larger_body_than_other_routes(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 200
    rows = talks(10)

    assert client.post("/api/events/", {**TALK, "description": "x" * 200}).status_code == 413
    headers = {"Idempotency-Key": "ten"}
    assert client.post(BULK, rows, headers=headers).status_code == 201
    settings.MAX_BULK_BODY_BYTES = 300
    refused = client.post(BULK, rows)
    assert (refused.status_code, refused.json()["max_bytes"]) == (413, 300)


def test_a_repeated_bulk_runs_once(client):
    headers = {"Idempotency-Key": "spring"}

    first = client.post(BULK, talks(3), headers=headers)
    again = client.post(BULK, talks(3), headers=headers)

    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == first.json()
    assert Event.objects.count() == 3


def test_bulk_is_for_organizers(anyone, ana, signed_in):
    assert anyone.post(BULK, talks(1)).status_code == 401
    refused = signed_in(ana).post(BULK, talks(1))
    assert (refused.status_code, refused.json()["code"]) == (403, "organizer_role_required")


def test_bulk_has_a_separate_rate_limit(client, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "bulk": (2, 60)}

    codes = [client.post(BULK, talks(1)).status_code for _ in range(3)]

    assert codes == [201, 201, 429]
    assert client.post("/api/events/", TALK).status_code == 201


def test_a_body_of_many_megabytes_is_refused_by_default(client):
    rows = [{**TALK, "description": "x" * 9_000} for _ in range(500)]

    response = client.post(BULK, rows)

    assert (response.status_code, response.json()["max_bytes"]) == (413, 4 * 1024 * 1024)


@pytest.mark.parametrize("path", ["/api/events/import/", "/api/events/import/?dry_run=true"])
def test_imports_have_a_separate_rate_limit(client, settings, path):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "import": (2, 60)}

    codes = [client.post(path, "x", content_type="text/csv").status_code for _ in range(3)]

    assert codes == [400, 400, 429]

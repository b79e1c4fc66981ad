"""Stored responses are bounded, and an index finds those that name a person."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.api.http import stored_responses
from config.api.http.mentions import mentions_in, mentions_of
from config.api.http.negotiation import to_json
from config.api.http.stored_responses import delete_responses_about
from config.api.models import StoredResponse
from conftest import NOW, PASSWORD
from events.models import Event
from events.tests.factories import EventFactory
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

DRAFT = {"name": "D", "location": "L", "status": "draft", "start_time": "2027-05-01T10:00:00Z"}


def create(client, key: str, **fields):
    return client.post("/api/events/", DRAFT | fields, headers={"Idempotency-Key": key})


@pytest.mark.usefixtures("clock")
def test_response_too_large_to_be_stored_rolls_its_work_back(olga, signed_in, monkeypatch):
    monkeypatch.setattr(stored_responses, "MAX_BYTES", 5_000)

    response = create(signed_in(olga), "k", description="x" * 5_000)

    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")
    assert response.json()["max_bytes"] == 5_000
    assert not Event.objects.exists()
    assert not StoredResponse.objects.exists()


def test_the_latest_responses_of_a_caller_are_stored(olga, max_, signed_in, clock, monkeypatch):
    monkeypatch.setattr(stored_responses, "MAX_NUMBER_OF_CALLER", 10)
    other, client = signed_in(max_), signed_in(olga)
    create(other, "other")
    for number in range(10):
        clock.move_to(NOW + timedelta(seconds=number))
        assert create(client, f"k{number}").status_code == 201

    create(client, "k10")  # makes room: nine are left, and this one

    assert StoredResponse.objects.count() == 1 + 10
    for key in ("k1", "k9", "k10"):
        assert "Idempotent-Replayed" in create(client, key)
    assert "Idempotent-Replayed" in create(other, "other")
    assert "Idempotent-Replayed" not in create(client, "k0")


def test_the_responses_of_a_caller_are_bounded_in_bytes(olga, signed_in, clock, monkeypatch):
    monkeypatch.setattr(stored_responses, "MAX_BYTES_OF_CALLER", 50_000)
    client = signed_in(olga)

    for number in range(12):
        clock.move_to(NOW + timedelta(seconds=number))
        create(client, f"k{number}", description="x" * 9_000)

    assert sum(StoredResponse.objects.values_list("size", flat=True)) <= 50_000 + 10_000
    assert "Idempotent-Replayed" in create(client, "k11", description="x" * 9_000)


def test_callers_are_stored_as_digests(anyone, event):
    body = {"name": "Bob", "email": "bob@example.com"}
    anyone.post(f"/api/events/{event.pk}/register/", body, headers={"Idempotency-Key": "k"})

    stored = StoredResponse.objects.get()

    assert len(bytes(stored.caller)) == 32
    assert stored.size == len(bytes(stored.body))


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b'{"email":"bob@example.com"}', "application/json"),
        (b'{"rows":[{"a":1},{"detail":"of <bob@example.com>, twice"}]}', "application/json"),
        (b'{"detail":"of:\\nbob@example.com."}', "application/problem+json"),
        (b'{"detail":"\'bob@example.com\'"}', "application/problem+json"),
        (b'{"detail":"BOB@Example.com"}', "application/json"),
        (b"name,email\nBob,bob@example.com\n", "text/csv"),
    ],
)
def test_mentions_are_the_addresses_of_a_body(content, content_type):
    mentions = mentions_in(content, content_type)

    assert set(mentions_of(emails=["bob@example.com"])) <= set(mentions)
    assert not set(mentions_of(emails=["ob@example.com"])) & set(mentions)


@pytest.mark.parametrize(
    "text",
    ["Taken: _ann@example.org.", "'_ann@example.org'", "*__ann@example.org*!", "_ann@example.org"],
)
def test_mentions_are_addresses_that_begin_with_punctuation(text):
    mentions = mentions_in(to_json({"detail": text}), "application/problem+json")

    assert set(mentions_of(emails=["_ann@example.org"])) <= set(mentions)


@pytest.mark.parametrize(
    "address", ["bob@müller.example", "नमस्ते@example.com", '"a @ b"@example.com']
)
def test_mentions_are_addresses_as_they_are_stored(address):
    mentions = mentions_in(to_json({"deep": [{"email": address}]}), "application/json")

    assert set(mentions_of(emails=[address])) <= set(mentions)


def test_mentions_are_the_user_names_of_a_body():
    mentions = mentions_in(b'{"organizer":{"id":7,"username":"olga"}}', "application/json")

    assert mentions == mentions_of(usernames=["olga"])
    assert mentions != mentions_of(usernames=["olg"])


def test_responses_are_found_by_an_index_without_reading_bodies(db):
    StoredResponse.objects.bulk_create(
        StoredResponse(
            fingerprint=number.to_bytes(32),
            body_digest=b"",
            status=200,
            body=b"bob@example.com",
            mentions=mentions_of(emails=[f"bob{number}@example.com"]),
            created_at=NOW,
        )
        for number in range(2_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE api_storedresponse")

    with CaptureQueriesContext(
        connection,
    ) as queries:
        forgotten = delete_responses_about(emails=["bob7@example.com"])

    assert forgotten == 1
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "stored_by_mention" in plan


def test_erasure_deletes_responses_with_a_former_name_of_the_person(
    olga, max_, signed_in, settings
):
    client = signed_in(olga)
    create(client, "k")
    create(signed_in(max_), "k")
    client.patch("/api/me/", {"username": "olga.new"})
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 8, [settings.SECRET_KEY]

    response = client.delete("/api/me/", {"password": PASSWORD})

    assert response.status_code == 204
    assert [b"max" in bytes(stored.body) for stored in StoredResponse.objects.all()] == [True]


def test_erasure_finds_responses_before_it_locks_an_event(ana, event, signed_in):
    registered(event, email=ana.email, user=ana, registered_by=ana)
    EventFactory()

    with CaptureQueriesContext(connection) as queries:
        response = signed_in(ana).delete("/api/me/", {"password": PASSWORD})

    assert response.status_code == 204
    statements = [query["sql"] for query in queries]
    forgetting = next(
        n for n, sql in enumerate(statements) if "api_storedresponse" in sql and "&&" in sql
    )
    locking = next(
        n
        for n, sql in enumerate(statements)
        if '"events_event"' in sql and ("FOR " in sql or sql.startswith("UPDATE"))
    )
    assert forgetting < locking

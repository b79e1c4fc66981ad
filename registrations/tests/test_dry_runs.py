"""Dry runs do the real work, and nothing of it remains."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import connection
from django.db.models import F
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Notification
from config.api.http.rate_limits import clear_local_counts
from config.api.models import StoredResponse
from conftest import NOW
from events.models import Event, TeamMember
from events.services import cancel_event
from events.tests.factories import EventFactory, SeriesFactory
from registrations.models import LedgerEntry
from registrations.tests.factories import registered, registered_silently
from registrations.tickets import manage_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def organizer(olga) -> APIClient:
    client = APIClient()
    client.force_authenticate(olga)
    return client


@pytest.fixture
def hall(clock, olga) -> Event:
    """Two people have a seat, and two are on the waitlist."""
    event = EventFactory(
        organizer=olga, max_capacity=2, waitlist_enabled=True, start_time=NOW + timedelta(days=30)
    )
    for _ in range(4):
        registered_silently(event)
    return event


def stored_rows() -> dict[str, list[str]]:
    """Every row of the apps' tables as text."""
    tables = [
        model._meta.db_table
        for model in apps.get_models()
        if model._meta.app_label in {"accounts", "api", "events", "registrations", "procrastinate"}
        and model._meta.managed
    ]
    rows = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT row::text FROM "{table}" AS row ORDER BY 1')
            rows[table] = [row for (row,) in cursor.fetchall()]
    return rows


def send(client: APIClient, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return getattr(client, method)(path, body or {}, format="json", headers=headers)


def dry(client: APIClient, method: str, path: str, body: Any = None, **headers: str) -> Any:
    joined = "&" if "?" in path else "?"
    return send(client, method, f"{path}{joined}dry_run=true", body, **headers)


def codes(response: Any) -> list[str]:
    return [warning["code"] for warning in response.json()["warnings"]]


# --- nothing remains, and the real run does the same ---


def changes_of(event: Event) -> Iterator[tuple[str, str, Any]]:
    path = f"/api/events/{event.pk}/"
    first, *_, last = event.registrations.order_by(F("queue_number").asc(nulls_first=True))
    whole = {"name": "New", "location": "Hall", "start_time": "2027-03-01T09:00:00Z"}
    yield "patch", path, {"max_capacity": 3}
    yield "patch", path, {"start_time": "2027-03-01T09:00:00Z", "name": "New"}
    yield "put", path, whole
    yield "post", f"{path}publish/", None
    yield "post", f"{path}cancel/", {"reason": "Rain"}
    yield "post", f"{path}duplicate/", {"start_time": "2028-03-01T09:00:00Z"}
    yield "post", f"{path}messages/", {"subject": "Doors", "body": "At eight."}
    yield "patch", f"/api/registrations/{first.pk}/", {"name": "Ann"}
    yield "patch", f"/api/registrations/{last.pk}/", {"email": "ann@example.com"}
    yield "delete", f"/api/registrations/{last.pk}/", None
    yield "delete", f"/api/registrations/{first.pk}/", None
    yield "post", f"{path}transfer/", {"email": "new@example.com"}
    yield "delete", path, None


def without_ids(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    made_anew = {"id", "page_url", "calendar_url", "google_calendar_url"}
    return {name: value for name, value in body.items() if name not in made_anew}


def effects_of(last_entry: int, last_notification: int) -> dict[str, Any]:
    """What was written after these ids."""
    entries = LedgerEntry.objects.filter(pk__gt=last_entry).values_list("kind", flat=True)
    kinds = Counter(entries)
    sent = Notification.objects.filter(pk__gt=last_notification).values_list("kind", flat=True)
    return {
        "promoted": kinds["promoted"],
        "cancelled": kinds["cancelled"],
        "mails": dict(sorted(Counter(sent).items())),
    }


def last_id(model: Any) -> int:
    return model.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


@pytest.mark.parametrize("number", range(13))
def test_a_dry_run_is_the_real_run_and_leaves_nothing(hall, organizer, settings, number):
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1000, 3600))
    method, path, body = list(changes_of(hall))[number]
    clear_local_counts()
    before = stored_rows()

    rehearsed = dry(organizer, method, path, body, **{"Idempotency-Key": "a"})

    counts = "api_requestcount"  # of the request itself, as for a read
    after = stored_rows()
    assert {name: after[name] for name in after if name != counts} == {
        name: before[name] for name in before if name != counts
    }
    assert (rehearsed.status_code, rehearsed.json()["dry_run"]) == (200, True)
    assert "ETag" not in rehearsed.headers
    ids = last_id(LedgerEntry), last_id(Notification)
    real = send(organizer, method, path, body)
    assert real.status_code in {200, 201, 202, 204}
    result = rehearsed.json()["result"]
    assert without_ids(result) == (without_ids(real.json()) if real.content else None)
    effects = rehearsed.json()["effects"]
    assert {name: effects[name] for name in ("promoted", "cancelled", "mails")} == effects_of(*ids)


@settings(max_examples=15, deadline=None)
@given(
    capacity=st.sampled_from([None, 1, 2, 4]),
    people=st.integers(0, 5),
    steps=st.lists(st.integers(0, 40), min_size=1, max_size=3),
)
def test_dry_and_real_runs_agree_in_random_states(capacity, people, steps):
    with time_machine.travel(NOW, tick=False):
        event = EventFactory(
            max_capacity=capacity, waitlist_enabled=True, start_time=NOW + timedelta(days=30)
        )
        rows = [registered(event) for _ in range(max(people, 2))]
        client = APIClient()
        client.force_authenticate(event.organizer)
        path = f"/api/events/{event.pk}/"
        for step in steps:
            row = rows[step % len(rows)]
            method, address, body = [
                ("patch", path, {"max_capacity": 1 + step % 6}),
                ("delete", f"/api/registrations/{row.pk}/", None),
                ("patch", f"/api/registrations/{row.pk}/", {"email": f"e{step}@example.com"}),
                ("patch", path, {"start_time": f"2027-04-{1 + step % 28:02}T09:00:00Z"}),
                ("post", f"{path}cancel/", None),
            ][step % 5]
            rehearsed = dry(client, method, address, body)
            ids = last_id(LedgerEntry), last_id(Notification)

            real = send(client, method, address, body)

            if real.status_code >= 400:
                assert rehearsed.status_code == real.status_code
                assert rehearsed.json()["code"] == real.json()["code"]
                continue
            effects = rehearsed.json()["effects"]
            assert rehearsed.json()["result"] == (real.json() if real.content else None)
            assert {
                name: effects[name] for name in ("promoted", "cancelled", "mails")
            } == effects_of(*ids)


# --- effects ---


def test_the_changed_fields_have_both_values(hall, organizer):
    response = dry(
        organizer, "patch", f"/api/events/{hall.pk}/", {"max_capacity": 3, "name": hall.name}
    )

    assert response.json()["effects"] == {
        "changed": [{"field": "max_capacity", "from": 2, "to": 3}],
        "promoted": 1,
        "cancelled": 0,
        "mails": {"registration_promoted": 1},
        "reminders": {"moved": 0, "dropped": 0},
    }
    assert response.json()["warnings"] == []


def test_a_cancelled_registration_promotes_another(hall, organizer):
    first = hall.registrations.filter(status="confirmed").first()

    effects = dry(organizer, "delete", f"/api/registrations/{first.pk}/").json()["effects"]

    assert effects["changed"] == [{"field": "status", "from": "confirmed", "to": "cancelled"}]
    assert (effects["promoted"], effects["cancelled"]) == (1, 1)
    assert effects["mails"] == {"registration_cancelled": 1, "registration_promoted": 1}


def test_a_guest_may_run_dry_with_the_token(anyone, hall):
    row = hall.registrations.first()
    path = f"/api/registrations/{row.pk}/?token={manage_token(row.pk)}"

    response = dry(anyone, "delete", path)

    assert (response.status_code, response.json()["result"]) == (200, None)
    row.refresh_from_db()
    assert row.status != "cancelled"


def test_reminders_that_move_or_are_dropped_are_counted(hall, organizer):
    path = f"/api/events/{hall.pk}/"

    moved = dry(organizer, "patch", path, {"start_time": "2027-03-01T09:00:00Z"})
    near = dry(organizer, "patch", path, {"start_time": "2027-01-15T15:00:00Z"})
    fewer = dry(organizer, "patch", path, {"reminder_hours": [1]})
    cancelled = dry(organizer, "post", f"{path}cancel/")

    assert [response.json()["effects"]["reminders"] for response in (
        moved, near, fewer, cancelled,
    )] == [
        {"moved": 2, "dropped": 0},
        {"moved": 1, "dropped": 1},
        {"moved": 0, "dropped": 1},
        {"moved": 0, "dropped": 2},
    ]  # fmt: skip


# --- warnings ---


def test_each_warning_is_given_when_it_applies(hall, olga, organizer):
    path = f"/api/events/{hall.pk}/"
    other = EventFactory(organizer=olga, start_time=NOW + timedelta(days=40))
    to = {"start_time": other.start_time.isoformat()}

    assert codes(dry(organizer, "patch", path, {"start_time": "2027-01-16T11:00:00Z"})) == [
        "starts_within_a_day"
    ]
    assert codes(dry(organizer, "patch", path, to)) == ["overlaps_own_event"]
    assert codes(
        dry(organizer, "patch", path, {"registration_closes_at": "2027-01-15T11:00:00Z"})
    ) == ["closes_registration_now"]
    Event.objects.filter(pk=hall.pk).update(registration_closes_at=NOW)
    assert codes(dry(organizer, "patch", path, {"max_capacity": 9})) == ["queue_blocked"]
    assert codes(dry(organizer, "post", f"{path}duplicate/", to)) == ["overlaps_own_event"]


def test_many_mails_are_a_warning(hall, monkeypatch, organizer):
    monkeypatch.setattr("events.views.dry_runs.MANY_MAILS", 3)

    assert codes(dry(organizer, "post", f"/api/events/{hall.pk}/cancel/")) == ["tells_many"]


def test_ending_a_series_warns_of_events_that_were_edited_by_hand(clock, olga, organizer):
    body = {"name": "A", "location": "B", "start_time": "2027-05-03T09:00:00Z"}
    series = organizer.post("/api/series/", {**body, "recurrence": "FREQ=WEEKLY;COUNT=3"}).json()
    event = Event.objects.filter(series=series["id"]).first()
    path = f"/api/series/{series['id']}/"
    assert codes(dry(organizer, "delete", path)) == []
    organizer.patch(f"/api/events/{event.pk}/", {"name": "Special"})

    ended = dry(organizer, "delete", path)

    assert codes(ended) == ["edits_hand_edited"]
    assert ended.json()["effects"]["reminders"] == {"moved": 0, "dropped": 6}
    assert organizer.get(path).status_code == 200


def test_an_edit_of_a_series_runs_dry(clock, organizer):
    body = {"name": "A", "location": "B", "start_time": "2027-05-03T09:00:00Z"}
    series = organizer.post("/api/series/", {**body, "recurrence": "FREQ=WEEKLY;COUNT=3"}).json()
    path = f"/api/series/{series['id']}/"

    effects = dry(organizer, "patch", path, {"start_time": "2027-05-03T10:00:00Z"}).json()[
        "effects"
    ]

    assert {change["field"] for change in effects["changed"]} == {"start_time", "end_time"}
    assert effects["reminders"] == {"moved": 6, "dropped": 0}
    assert organizer.get(path).json()["start_time"] == "2027-05-03T09:00:00Z"
    assert dry(organizer, "post", f"{path}publish/").status_code == 200


# --- errors and limits ---


def test_errors_are_those_of_the_real_run(ana, anyone, hall, organizer, signed_in):
    path = f"/api/events/{hall.pk}/"
    stale = {"If-Match": f'"{hall.pk}.99-x"'}

    for client, method, body, headers, status in (
        (anyone, "patch", {"name": "A"}, {}, 401),
        (signed_in(ana), "patch", {"name": "A"}, {}, 403),
        (organizer, "patch", {"name": ""}, {}, 400),
        (organizer, "patch", {"nmae": "A"}, {}, 400),
        (organizer, "patch", {"max_capacity": 1}, {}, 409),
        (organizer, "patch", {"name": "A"}, stale, 412),
    ):
        real = send(client, method, path, body, **headers)
        rehearsed = dry(client, method, path, body, **headers)
        assert (real.status_code, rehearsed.status_code) == (status, status)
        assert real.json()["code"] == rehearsed.json()["code"]
    cancel_event(hall)
    assert dry(organizer, "patch", path, {"name": "A"}).json()["code"] == "event_cancelled"
    assert dry(organizer, "patch", "/api/events/999999/", {}).status_code == 404


def test_a_dry_run_stores_no_response_for_its_key(hall, organizer):
    path, key = f"/api/events/{hall.pk}/cancel/", {"Idempotency-Key": "a"}

    dry(organizer, "post", path, **key)

    assert not StoredResponse.objects.exists()
    assert send(organizer, "post", path, **key).json()["status"] == "cancelled"
    assert AuditEntry.objects.count() == 1


def test_a_dry_run_counts_against_no_limit_of_the_work(hall, organizer, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "message": (1, 3600), "caused_mails": (1, 60)}
    path, body = f"/api/events/{hall.pk}/messages/", {"subject": "Doors", "body": "At eight."}
    clear_local_counts()

    for _ in range(3):
        response = dry(organizer, "post", path, body)
        assert response.json()["effects"]["mails"] == {"organizer_message": 2}

    assert send(organizer, "post", path, body).status_code == 201
    assert send(organizer, "post", path, body).status_code == 429


@pytest.mark.parametrize("kind", ["events", "series"])
def test_transfers_run_dry(clock, olga, organizer, kind):
    row = (EventFactory if kind == "events" else SeriesFactory)(organizer=olga)
    path, body = f"/api/{kind}/{row.pk}/transfer/", {"email": "new@example.com"}

    offered = dry(organizer, "post", path, body)
    own = dry(organizer, "post", path, {"email": olga.email})
    remaining = TeamMember.objects.count()
    send(organizer, "post", path, body)
    withdrawn = dry(organizer, "delete", path)

    assert (offered.status_code, offered.json()["result"]["role"]) == (200, "owner")
    assert offered.json()["effects"]["mails"] == {"team_invitation": 1}
    assert (own.status_code, own.json()["code"]) == (409, "already_member")
    assert remaining == 0
    assert (withdrawn.status_code, withdrawn.json()["result"]) == (200, None)
    assert TeamMember.objects.count() == 1


def test_dry_run_of_an_edit_reports_changes_of_the_party(event, organizer):
    Event.objects.filter(pk=event.pk).update(max_party_size=3)
    row = registered(event)
    body = {"party_size": 2, "guests": [{"name": "Ann"}], "show_name": True}

    response = send(organizer, "patch", f"/api/registrations/{row.pk}/?dry_run=true", body)

    assert response.json()["effects"]["changed"] == [
        {"field": "party_size", "from": 1, "to": 2},
        {"field": "guests", "from": [], "to": [{"name": "Ann", "email": None}]},
        {"field": "show_name", "from": False, "to": True},
    ]


def test_only_some_routes_run_dry(event, organizer):
    path = f"/api/events/{event.pk}/"
    invalid = send(organizer, "patch", f"{path}?dry_run=maybe", {"name": "A"})

    assert dry(organizer, "post", f"{path}register/").json()["code"] == "unknown_parameter"
    assert organizer.get(f"{path}?dry_run=true").json()["code"] == "unknown_parameter"
    assert (invalid.status_code, invalid.json()["errors"][0]["field"]) == (400, "dry_run")
    real = send(organizer, "patch", f"{path}?dry_run=false", {"name": "Real"})
    assert real.json()["name"] == Event.objects.get(pk=event.pk).name == "Real"


def test_a_draft_series_is_published_in_a_dry_run_only(clock, olga, organizer):
    series = SeriesFactory(organizer=olga, status="draft")

    response = dry(organizer, "post", f"/api/series/{series.pk}/publish/")

    assert response.json()["effects"]["changed"] == [
        {"field": "status", "from": "draft", "to": "published"}
    ]
    series.refresh_from_db()
    assert series.status == "draft"


def test_dry_runs_that_reveal_an_address_count_against_the_limit(event, anyone, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (2, 60)}
    row = registered(event)
    address = (
        f"/api/registrations/{row.pk}/?token={manage_token(row.pk, row.link_version)}&dry_run=true"
    )

    codes = [
        anyone.patch(address, {"email": f"guess{number}@example.com"}).status_code
        for number in range(3)
    ]

    assert codes == [200, 200, 429]

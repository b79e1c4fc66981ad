"""Liveness, readiness and metrics."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from procrastinate.contrib.django import app

from accounts.models import Notification
from accounts.notifications import outbox
from config import ops
from config.ops import Recent
from conftest import NOW
from registrations.models import UncountedAnswers

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_earlier_look() -> Iterator[None]:
    ops._readiness.clear()
    yield
    ops._readiness.clear()


def test_healthz_responds_without_a_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/healthz/", "/readyz/"])
def test_probes_respond_for_any_host(client, path):
    assert client.get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200


def test_readyz_checks_every_part(client):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["checks"] == {
        "database": "ok", "migrations": "ok", "cache": "ok", "worker": "ok", "mailer": "ok",
    }  # fmt: skip
    assert response.json()["status"] == "ok"


def test_flood_of_readyz_sends_no_queries(client, django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(ops, "monotonic", lambda: 1000.0)
    first = client.get("/readyz")

    with django_assert_num_queries(0):
        responses = [client.get("/readyz") for _ in range(20)]

    assert {(each.status_code, each.content) for each in responses} == {(200, first.content)}


def test_readyz_checks_again_after_two_seconds(client, monkeypatch):
    monkeypatch.setattr(ops, "monotonic", lambda: 1000.0)
    client.get("/readyz")
    monkeypatch.setattr(cache, "get", lambda key: None)

    monkeypatch.setattr(ops, "monotonic", lambda: 1001.9)
    before = client.get("/readyz")
    monkeypatch.setattr(ops, "monotonic", lambda: 1002.0)
    after = client.get("/readyz")

    assert (before.json()["status"], after.json()["status"]) == ("ok", "degraded")


def test_recent_value_is_computed_by_one_thread():
    made, may_end = [], Event()

    def make() -> int:
        made.append(1)
        may_end.wait(10)
        return len(made)

    recent = Recent(make, seconds=3600)
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(recent.value) for _ in range(4)]
        may_end.set()

    assert [each.result() for each in results] == [1, 1, 1, 1]
    assert made == [1]


def test_failed_value_is_computed_again_the_next_time():
    outcomes = iter([ValueError(), 7])

    def make() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, ValueError):
            raise outcome
        return outcome

    recent = Recent(make, seconds=3600)
    with pytest.raises(ValueError, match=r"^$"):
        recent.value()

    assert recent.value() == 7


def test_readyz_reports_a_cache_without_which_the_process_works(client, monkeypatch):
    monkeypatch.setattr(cache, "get", lambda key: None)

    response = client.get("/readyz")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"]["cache"] == "degraded: lost a value"


def test_readyz_reports_a_job_without_a_worker(client, clock):
    app.tasks["config.api.tasks.sweep_answers"].defer(timestamp=0)
    clock.shift(10**9)

    response = client.get("/readyz")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"]["worker"].startswith("degraded: a job has been due for ")


def test_readyz_reports_answers_that_no_worker_counts(client, clock):
    UncountedAnswers.objects.create(
        event_id=1, people=1, responses=1, answers={}, created_at=NOW - timedelta(seconds=400)
    )

    response = client.get("/readyz")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"]["worker"] == (
        "degraded: answers have not been counted for 400 s"
    )
    assert b"\nanswers_oldest_uncounted_seconds 400.0\n" in client.get("/metrics").content


def due_notification(clock) -> None:
    Notification.objects.create(
        kind="any", key="k", email="bob@example.com", due_at=NOW, attempt_at=NOW
    )
    clock.shift(400)


@pytest.mark.parametrize("mailers", [0, 1])
def test_readyz_reports_a_notification_that_is_overdue(client, clock, mailers):
    due_notification(clock)
    numbers = [outbox.mailers.register() for _ in range(mailers)]

    response = client.get("/readyz")

    for number in numbers:
        outbox.mailers.unregister(number)
    report = response.json()
    assert (response.status_code, report["status"]) == (200, "degraded")
    assert report["checks"]["mailer"] == (
        f"degraded: a notification has been due for 400 s, mailers: {mailers}"
    )
    assert report["lag_seconds"] == {"jobs": 0, "notifications": 400}


def test_readyz_requires_a_database_that_can_be_written(client):
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "checks": {"database": "read-only", "cache": "ok"},
        "lag_seconds": {},
    }


def test_readyz_requires_every_migration(client):
    MigrationRecorder.Migration.objects.filter(app="registrations").last().delete()

    response = client.get("/readyz")

    assert (response.status_code, response.json()["status"]) == (503, "not ready")
    assert response.json()["checks"]["migrations"] == "1 not applied"


def test_metrics_include_notifications(client, clock):
    due_notification(clock)
    Notification.objects.create(kind="any", key="p", email="bob@example.com", state="parked")

    lines = client.get("/metrics").content.decode().splitlines()

    assert {line for line in lines if line.startswith("notifications_")} == {
        "notifications_due 1.0", "notifications_oldest_due_seconds 400.0",
        "notifications_parked 1.0",
    }  # fmt: skip


def test_metrics_report_a_cache_that_fails(client, monkeypatch):
    before = client.get("/metrics").content.decode().splitlines()
    monkeypatch.setattr(cache, "get", lambda key: None)

    after = client.get("/metrics").content.decode().splitlines()

    assert ("cache_up 1.0" in before, "cache_up 0.0" in after) == (True, True)


def test_metrics_are_for_the_configured_networks(client):
    assert b"http_requests_total" in client.get("/metrics").content
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.5").status_code == 404


def test_metrics_count_requests_by_route_and_not_by_id(client, db):
    line = 'http_requests_total{method="GET",route="api/events/<id:pk>/",status="404"} '

    def count() -> float:
        lines = client.get("/metrics").content.decode().splitlines()
        return sum(float(sample.removeprefix(line)) for sample in lines if sample.startswith(line))

    before = count()
    client.get("/api/events/123456/")
    client.get("/api/events/654321/")

    assert count() - before == 2

import pytest
from django.core.cache import cache
from procrastinate.contrib.django import app

from accounts.models import Notification
from accounts.notifications import outbox
from conftest import NOW

pytestmark = pytest.mark.django_db


def test_healthz_answers_without_a_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/healthz/", "/readyz/"])
def test_probes_answer_under_any_name(client, path):
    assert client.get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200


def test_readyz_checks_every_part(client):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["checks"] == {
        "database": "ok", "migrations": "ok", "cache": "ok", "tasks": "ok",
    }  # fmt: skip


def test_readyz_tells_what_is_wrong(client, monkeypatch):
    monkeypatch.setattr(cache, "get", lambda key: None)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["cache"] == "lost a value"


def test_readyz_tells_of_a_job_that_nobody_takes(client, clock):
    app.tasks["config.api.tasks.sweep_answers"].defer(timestamp=0)
    clock.shift(10**9)

    assert "a job has waited" in client.get("/readyz").json()["checks"]["tasks"]


def due_notification(clock) -> None:
    Notification.objects.create(
        kind="any", key="k", email="bob@example.com", due_at=NOW, attempt_at=NOW
    )
    clock.shift(400)


def test_readyz_tells_of_a_notification_that_nobody_sends(client, clock):
    due_notification(clock)

    answer = client.get("/readyz").json()

    assert answer["checks"]["tasks"] == "a notification has waited 400 s and no mailer runs"
    assert answer["lag_seconds"] == {"jobs": 0, "notifications": 400}


def test_readyz_lets_mailers_have_a_long_queue(client, clock):
    due_notification(clock)
    mailer = outbox.enlist()

    response = client.get("/readyz")

    outbox.leave(mailer)
    assert response.status_code == 200
    assert response.json()["lag_seconds"]["notifications"] == 400


def test_metrics_tell_of_the_notifications(client, clock):
    due_notification(clock)
    Notification.objects.create(kind="any", key="p", email="bob@example.com", state="parked")

    lines = client.get("/metrics").content.decode().splitlines()

    assert {line for line in lines if line.startswith("notifications_")} == {
        "notifications_due 1.0", "notifications_oldest_due_seconds 400.0",
        "notifications_parked 1.0",
    }  # fmt: skip


def test_metrics_are_for_the_networks_that_may_see_them(client):
    assert b"http_requests_total" in client.get("/metrics").content
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.5").status_code == 404


def test_metrics_tell_requests_by_route_and_not_by_id(client, db):
    line = 'http_requests_total{method="GET",route="api/events/<id:pk>/",status="404"} '

    def told() -> float:
        lines = client.get("/metrics").content.decode().splitlines()
        return sum(float(found.removeprefix(line)) for found in lines if found.startswith(line))

    before = told()
    client.get("/api/events/123456/")
    client.get("/api/events/654321/")

    assert told() - before == 2

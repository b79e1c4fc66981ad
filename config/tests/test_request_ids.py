"""The id of a request or job is in the log lines of what it causes."""

import asyncio
import json
import logging
from types import SimpleNamespace

import pytest
from procrastinate.contrib.django import app

from accounts.models import Notification
from config.api.request_ids import current_request_id
from config.tests.log_lines import log_lines_of
from config.tests.test_fast_path import fast, ordinary
from events.tests.factories import EventFactory
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

ID = {"X-Request-ID": "one"}


def request_ids(**fields: object) -> list[str]:
    return list(Notification.objects.filter(**fields).values_list("request_id", flat=True))


@pytest.mark.parametrize("send", [fast, ordinary])
def test_registration_stores_its_request_with_the_notification(event, send):
    body = json.dumps({"name": "Bob", "email": "bob@example.com"}).encode()

    status, _, _ = send("POST", f"/api/events/{event.pk}/register/", body, **ID)

    assert status == "201 Created"
    assert request_ids(email="bob@example.com") == ["one"]


def test_cancellation_is_the_request_of_the_promotion(signed_in, olga):
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    first, second = registered(event), registered(event)
    path = f"/api/registrations/{first.pk}/"

    response = signed_in(olga).delete(path, headers=ID)

    assert response.status_code == 204
    assert request_ids(kind="registration_promoted", email=second.email) == ["one"]


def test_import_of_attendees_is_the_request_of_their_notifications(signed_in, olga, event):
    rows = b"name,email\nBob,bob@example.com\nEve,eve@example.com\n"

    response = signed_in(olga).post(
        f"/api/events/{event.pk}/attendees/import/?notify=true",
        rows,
        content_type="text/csv",
        headers=ID,
    )

    assert response.status_code == 201
    assert request_ids() == ["one", "one"]


def test_cancelling_an_event_is_the_request_of_all_its_notifications(signed_in, olga, event):
    registered(event), registered(event)

    response = signed_in(olga).post(f"/api/events/{event.pk}/cancel/", headers=ID)

    assert response.status_code == 200
    assert request_ids(kind="event_cancelled") == ["one", "one"]


def test_single_notification_stores_its_request(client, ana):
    response = client.post(
        "/api/password/reset/", {"email": ana.email}, "application/json", headers=ID
    )

    assert response.status_code in {200, 202, 204}
    assert request_ids(email=ana.email) == ["one"]


def test_lines_of_a_job_have_its_id_and_task():
    async def run_job() -> str:
        logging.getLogger("events").warning("in a job")
        return current_request_id()

    [middleware] = app.worker_defaults["worker_middleware"]
    context = SimpleNamespace(job=SimpleNamespace(id=7, task_name="events.tasks.fill"))

    with log_lines_of("events") as lines:
        request_id = asyncio.run(middleware(run_job, context, None))

    [line] = lines.all()
    assert request_id == line["request_id"] == "job-7"
    assert line["task"] == "events.tasks.fill"

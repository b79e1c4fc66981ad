"""Metrics for Prometheus, and access lines."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.db import Error, connection
from procrastinate.contrib.django import app
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import Notification
from accounts.notifications import outbox
from config import database_metrics
from config.logs import logging_config
from config.metrics import forget_process
from config.process_names import process_name
from config.tests.metric_samples import samples
from config.tests.test_fast_path import fast
from conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def access_lines(settings) -> Iterator[StringIO]:
    """The access lines, as `LOG_FORMAT=json` writes them."""
    settings.ACCESS_LOG = True
    formatter = logging_config("json")["formatters"]["main"]
    make = formatter.pop("()")
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(make(**formatter))
    logger = logging.getLogger("access")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


# --- Requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_metrics_are_closed_to_other_networks_with_and_without_slash(client, path):
    assert client.get(path).status_code == 200
    assert client.get(path, REMOTE_ADDR="203.0.113.5").status_code == 404


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_metrics_are_closed_to_requests_that_an_unknown_proxy_forwards(client, path):
    headers = {"X-Forwarded-For": "203.0.113.5"}

    assert client.get(path, headers=headers).status_code == 404


def test_duration_buckets_range_from_half_a_millisecond_to_ten_seconds(client):
    client.get("/api/categories/")

    text = client.get("/metrics").content.decode()
    bounds = [
        float(sample.labels["le"])
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "http_request_seconds_bucket"
        and sample.labels["route"] == "api/categories/"
    ]

    assert (bounds[0], bounds[-2], bounds[-1]) == (0.0005, 10.0, float("inf"))


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
def test_probe_is_counted_and_has_no_access_line(client, access_lines, path):
    route = path.strip("/")
    before = samples(client, route=route, status="200").get("http_requests_total", 0)

    client.get(path)

    after = samples(client, route=route, status="200")["http_requests_total"]
    assert after - before == 1
    assert route not in access_lines.getvalue()


def test_gauges_of_an_ended_process_are_dropped(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    names = ["counter_7.db", "gauge_livesum_7.db", "gauge_livesum_8.db"]
    for name in names:
        (tmp_path / name).touch()

    forget_process(7)

    assert {path.name for path in tmp_path.iterdir()} == {"counter_7.db", "gauge_livesum_8.db"}


def test_static_files_are_counted_as_one_route(client):
    before = samples(client, route="static", status="200").get("http_requests_total", 0)

    client.get("/static/site.css").close()
    client.get("/static/admin.css").close()

    after = samples(client, route="static", status="200")["http_requests_total"]
    assert after - before == 2


def test_rejections_are_counted_by_scope(client, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "anonymous": (1, 60)}
    before = samples(client, scope="anonymous").get("rate_limit_rejections_total", 0)

    statuses = [client.get("/api/categories/").status_code for _ in range(3)]

    after = samples(client, scope="anonymous")["rate_limit_rejections_total"]
    assert statuses == [200, 429, 429]
    assert after - before == 2


# --- The database -------------------------------------------------------------------------------


def test_jobs_are_counted_by_state_and_age(client, clock):
    app.tasks["config.api.tasks.sweep_answers"].defer(timestamp=0)
    app.tasks["config.api.tasks.sweep_counts"].defer(timestamp=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM procrastinate_jobs ORDER BY id DESC LIMIT 1")
        [job_id] = cursor.fetchone()
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [job_id])
        cursor.execute(
            "UPDATE procrastinate_events SET at = %s WHERE job_id = %s",
            [NOW - timedelta(seconds=50), job_id],
        )
        cursor.execute(
            "UPDATE procrastinate_events SET at = %s WHERE job_id <> %s",
            [NOW - timedelta(seconds=400), job_id],
        )

    waiting, running = samples(client, state="todo"), samples(client, state="doing")

    assert (waiting["jobs"], waiting["jobs_oldest_seconds"]) == (1, 400)
    assert (running["jobs"], running["jobs_oldest_seconds"]) == (1, 50)
    assert samples(client, state="failed")["jobs"] == 0


def test_deliveries_of_the_last_hour_are_counted_by_state(client, clock):
    ages = {"sent": [0, 59], "parked": [10], "dropped": [61]}
    Notification.objects.bulk_create(
        Notification(
            kind="any",
            key=f"{state} {minutes}",
            email="bob@example.com",
            state=state,
            created_at=NOW - timedelta(minutes=minutes),
        )
        for state, all_minutes in ages.items()
        for minutes in all_minutes
    )

    counts = {
        state: samples(client, state=state)["deliveries_last_hour"]
        for state in ("sent", "parked", "dropped")
    }

    assert counts == {"sent": 2, "parked": 1, "dropped": 0}


def test_mailers_and_workers_are_counted(client, clock):
    mailer = outbox.mailers.register()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (%s)", [NOW])
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (%s)",
            [NOW - timedelta(seconds=61)],
        )

    values = samples(client)

    outbox.mailers.unregister(mailer)
    assert (values["mailers"], values["workers"]) == (1, 1)


def test_connections_are_counted_by_application(client):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('application_name')")
        [application] = cursor.fetchone()

    values = samples(client, application=application, state="active")

    assert values["database_connections"] >= 1
    assert samples(client)["database_max_connections"] > 1
    assert samples(client)["database_up"] == 1


def test_metrics_of_the_process_remain_while_the_database_is_unavailable(client, monkeypatch):
    def fail() -> Iterator[None]:
        raise Error
        yield

    monkeypatch.setattr(database_metrics, "_READERS", (fail,))

    values = samples(client)

    assert values["database_up"] == 0
    assert values["build_info"] == 1
    assert "process_cpu_seconds_total" in values


def test_build_is_reported(client, settings):
    settings.RELEASE = "2f3a9c1"

    assert samples(client, release="2f3a9c1", version="1.0.0")["build_info"] == 1


# --- Access lines -------------------------------------------------------------------------------


def line_without_duration(access_lines: StringIO) -> dict[str, object]:
    (line,) = [json.loads(text) for text in access_lines.getvalue().splitlines()]
    assert line.pop("ms") >= 0
    assert line.pop("timestamp")
    return line


def test_access_line_has_route_status_and_duration_and_no_personal_data(client, access_lines):
    headers = {"X-Request-ID": "one", "User-Agent": "Bob's browser"}

    client.get("/api/events/404/?search=bob@example.com", headers=headers)

    assert line_without_duration(access_lines) == {
        "event": "GET api/events/<id:pk>/",
        "level": "info",
        "logger": "access",
        "request_id": "one",
        "method": "GET",
        "route": "api/events/<id:pk>/",
        "status": 400,
    }


def test_fast_path_writes_the_same_access_line(client, access_lines):
    fast("GET", "/api/events/?page_size=5", **{"X-Request-ID": "one"})
    of_fast_path = line_without_duration(access_lines)
    access_lines.seek(access_lines.truncate(0))

    client.get("/api/events/?page_size=5", headers={"X-Request-ID": "one"})

    assert of_fast_path["status"] == 200
    assert line_without_duration(access_lines) == of_fast_path


def test_access_lines_are_off_by_default(client, settings, access_lines):
    settings.ACCESS_LOG = False

    client.get("/api/events/")

    assert access_lines.getvalue() == ""


# --- Names of processes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["/srv/events/config/server/__main__.py"], "events-web"),
        (["manage.py", "procrastinate", "worker"], "events-worker"),
        (["manage.py", "deliver_notifications"], "events-mailer"),
        (["manage.py", "migrate"], "events-migrate"),
        (["manage.py"], "events-manage"),
        (["/usr/bin/uwsgi"], "events-uwsgi"),
        ([""], "events-python"),
        ([], "events-python"),
        (["x" * 80], "events-" + "x" * 56),
    ],
)
def test_process_name_is_derived_from_the_command(arguments, name):
    assert process_name(arguments) == name


def test_connection_has_the_name_of_its_process():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('application_name')")

        assert cursor.fetchone()[0].startswith("events-")

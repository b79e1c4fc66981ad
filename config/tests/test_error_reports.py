"""Error reports to Sentry have no personal data."""

import json
import subprocess
import sys

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError

from config import error_reports
from config.error_reports import masked, scrub
from config.tests.server import ROOT
from config.tests.sink import sink
from config.tests.test_configuration import KEY

# A page without a query to the database fails with an address in the message of the exception.
_FAILING_REQUEST = """
import django, sentry_sdk
from unittest import mock
django.setup()
from django.test import Client
password = "local-secret"
with mock.patch("accounts.pages.read_form", side_effect=RuntimeError("bob@example.com failed")):
    response = Client(raise_request_exception=False).post(
        "/forgotten-password/?token=query-secret",
        {"name": "form-secret"},
        headers={"X-Request-ID": "one", "Cookie": "sessionid=cookie-secret"},
        REMOTE_ADDR="203.0.113.77",
        SERVER_NAME="localhost",
    )
print(response.status_code)
sentry_sdk.flush()
"""


def test_report_of_a_failed_request_has_the_error_and_no_personal_data():
    with sink() as server:
        done = subprocess.run(
            [sys.executable, "-c", _FAILING_REQUEST],
            cwd=ROOT,
            env={
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "DATABASE_URL": "postgresql:///none",
                "SECRET_KEY": KEY,
                "RELEASE": "2f3a9c1",
                "SENTRY_DSN": f"http://key@127.0.0.1:{server.server_port}/1",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == "500\n", done.stderr
        path, body = server.body()

    assert path == "/api/1/envelope/"
    text = body.decode()
    event = next(json.loads(line) for line in text.splitlines() if "exception" in json.loads(line))
    (exception,) = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("RuntimeError", "[address] failed")
    assert exception["stacktrace"]["frames"][-1]["function"]
    assert event["tags"]["request_id"] == "one"
    assert event["release"] == "2f3a9c1"
    assert event["transaction"] == "/forgotten-password/"
    for personal in ("bob", "query-secret", "form-secret", "cookie-secret", "local-secret", "203."):
        assert personal not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot send to Bob <bob@example.com>: 550", "cannot send to Bob <[address]>: 550"),
        ("ünal@müller.example is taken", "[address] is taken"),
        (
            'duplicate key violates "one_per_address"\nDETAIL:  Key (email)=(b@c.de) exists.',
            'duplicate key violates "one_per_address"',
        ),
        ("no address", "no address"),
    ],
)
def test_addresses_and_values_of_rows_are_masked(text, expected):
    assert masked(text) == expected


def test_report_of_a_database_error_has_its_sqlstate_in_place_of_the_message():
    try:
        try:
            raise psycopg.errors.InvalidTextRepresentation("invalid input: Bob's secret")
        except psycopg.Error as cause:
            raise DataError(str(cause)) from cause
    except DataError as error:
        hint = {"exc_info": (type(error), error, error.__traceback__)}
    values = [
        {"type": "InvalidTextRepresentation", "module": "psycopg.errors", "value": "Bob's secret"},
        {"type": "DataError", "module": "django.db.utils", "value": "Bob's secret"},
    ]

    report = scrub({"exception": {"values": values}}, hint)

    messages = [exception["value"] for exception in report["exception"]["values"]]
    assert messages == ["SQLSTATE 22P02", "SQLSTATE 22P02"]


def test_log_entry_of_a_report_has_no_parameters_and_no_address():
    event = {
        "logentry": {
            "message": "notification %s to %s failed",
            "params": [7, "bob@example.com"],
            "formatted": "notification 7 to bob@example.com failed",
        },
        "user": {"id": 1},
        "extra": {"sys.argv": ["manage.py"]},
        "request": {"url": "http://localhost/unsubscribe/?token=secret"},
        "transaction": "/calendars/secret.ics",
        "transaction_info": {"source": "url"},
    }

    assert scrub(event, {}) == {
        "logentry": {"message": "notification 7 to [address] failed"},
        "transaction_info": {"source": "url"},
    }


@pytest.mark.parametrize("dsn", ["nonsense", "https://sentry.example.org/1"])
def test_invalid_dsn_stops_the_start(dsn):
    with pytest.raises(ImproperlyConfigured, match=r"^SENTRY_DSN must look like "):
        error_reports.start(dsn, "")


def test_missing_package_stops_the_start_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)

    with pytest.raises(ImproperlyConfigured, match=r"^SENTRY_DSN must .* pip install"):
        error_reports.start("https://key@sentry.example.org/1", "")

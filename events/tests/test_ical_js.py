"""ical.js, which Thunderbird and Nextcloud use, shows the events of feeds at their instants.

These tests need Node.js and the npm package `ical.js` (`npm install ical.js`, in the checkout or
in a directory that NODE_PATH names) and are skipped without them.
"""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from accounts.models import User
from events.calendars import Entry, feed_of
from events.models import Event

SCRIPT = Path(__file__).with_name("ical_js.cjs")


@cache
def node() -> str:
    node_path = shutil.which("node")
    if node_path is None:
        pytest.skip("Node.js is not installed.")
    is_there = subprocess.run(
        [node_path, "-e", "require('ical.js')"], cwd=SCRIPT.parent, capture_output=True, check=False
    )
    if is_there.returncode:
        pytest.skip("The npm package ical.js is not installed.")
    return node_path


def starts_in_ical_js(events: list[Event]) -> list[datetime]:
    feed = feed_of(map(Entry, events), name="Events", public_url="https://events.example.org")
    result = subprocess.run(
        [node(), SCRIPT], input=feed, capture_output=True, check=True, timeout=120
    )
    return [datetime.fromtimestamp(second, UTC) for second in json.loads(result.stdout)]


@pytest.mark.parametrize(
    "zone",
    [
        "Asia/Gaza",
        "Asia/Jerusalem",
        "Africa/Cairo",
        "America/Nuuk",
        "America/Santiago",
        "Africa/Casablanca",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
    ],
)
def test_ical_js_shows_events_at_their_instants(zone):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    starts = [now + number * timedelta(hours=29) for number in range(600)]
    events = [
        Event(
            pk=number,
            name="x",
            location="y",
            organizer=User(username="olga"),
            timezone=zone,
            start_time=start,
            end_time=start + timedelta(minutes=30),
            created_at=now,
            updated_at=now,
        )
        for number, start in enumerate(starts)
    ]

    parsed = starts_in_ical_js(events)

    assert parsed == starts

"""The calendar program khal reads the feeds."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from events.services import cancel_event, edit_event
from events.tests.factories import EventFactory

pytestmark = pytest.mark.django_db

CONFIG = """
[calendars]
[[events]]
path = {home}/events
[locale]
local_timezone = Europe/Berlin
default_timezone = Europe/Berlin
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M
[sqlite]
path = {home}/khal.db
"""


class Khal:
    """A calendar of its own, in a directory of the test's."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "events").mkdir()
        (home / "config").write_text(CONFIG.format(home=home))

    def take_in(self, feed: bytes) -> None:
        file = self.home / "feed.ics"
        file.write_bytes(feed)
        self._run("import", "--batch", "-a", "events", str(file))

    def agenda(self, begin: str, days: int) -> list[str]:
        entry = "{start-long}/{end-long} {status}{title} @ {location}"
        output = self._run(
            "list", "--once", "--notstarted", "-df", "", "-f", entry, begin, f"{days}d"
        )
        return [line.strip() for line in output.splitlines() if line.strip()]

    def _run(self, *args: str) -> str:
        process = subprocess.run(
            [sys.executable, "-m", "khal", "-c", str(self.home / "config"), *args],
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (process.returncode, process.stderr) == (0, "")
        return process.stdout


@pytest.fixture
def khal(tmp_path) -> Khal:
    return Khal(tmp_path)


def feed(client) -> bytes:
    response = client.get("/api/events/calendar.ics?when=all")
    assert response.status_code == 200
    return response.content


def test_a_calendar_program_shows_each_event_once_and_follows_edits(clock, olga, anyone, khal):
    summit = EventFactory(
        name="Summit; talks, demos",
        location="Bengaluru, Halle 3",
        description="x" * 200 + "日本\n" * 30,
        timezone="Asia/Kolkata",
        start_time=datetime(2027, 3, 15, 9, tzinfo=UTC),
        end_time=datetime(2027, 3, 17, 17, tzinfo=UTC),
    )
    # New York's clocks change on 14 March, Berlin's on 28 March.
    jazz = EventFactory(
        name="Jazz",
        location="Blue Note",
        timezone="America/New_York",
        start_time=datetime(2027, 3, 20, 23, tzinfo=UTC),
        end_time=datetime(2027, 3, 21, 1, tzinfo=UTC),
    )
    # From the first 02:30 to the second one.
    EventFactory(
        name="Night",
        start_time=datetime(2027, 10, 31, 0, 30, tzinfo=UTC),
        end_time=datetime(2027, 10, 31, 1, 30, tzinfo=UTC),
    )

    khal.take_in(feed(anyone))

    assert khal.agenda("2027-03-01", 300) == [
        "2027-03-15 10:00/2027-03-17 18:00 CONFIRMED Summit; talks, demos @ Bengaluru, Halle 3",
        "2027-03-21 00:00/2027-03-21 02:00 CONFIRMED Jazz @ Blue Note",
        "2027-10-31 02:30/2027-10-31 02:30 CONFIRMED Night @ Berlin",
    ]

    edit_event(summit, {"timezone": "Europe/London"}, keep_local_time=True)
    edit_event(jazz, {"location": "Village Vanguard", "name": "Late jazz"})
    khal.take_in(feed(anyone))
    cancel_event(jazz)
    khal.take_in(anyone.get(f"/api/events/{jazz.pk}/calendar.ics").content)

    assert khal.agenda("2027-03-01", 100) == [
        "2027-03-15 15:30/2027-03-17 23:30 CONFIRMED Summit; talks, demos @ Bengaluru, Halle 3",
        "2027-03-21 00:00/2027-03-21 02:00 CANCELLED Late jazz @ Village Vanguard",
    ]

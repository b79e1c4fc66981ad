"""Series from before occurrences had nominal times."""

from datetime import UTC, datetime
from importlib import import_module
from zoneinfo import ZoneInfo

import pytest

migration = import_module("events.migrations.0016_nominal_times")


@pytest.mark.parametrize(
    ("zone", "rule", "start", "at", "nominal"),
    [
        # Skipped by the clocks, and the same time of another occurrence.
        ("Europe/Berlin", "FREQ=DAILY", "02:30", "2027-03-28T01:30", "2027-03-28T02:30:00"),
        ("Europe/Berlin", "FREQ=DAILY", "02:30", "2027-03-29T00:30", "2027-03-29T02:30:00"),
        (
            "Europe/Berlin",
            "FREQ=DAILY;BYHOUR=2,9",
            "02:30",
            "2027-03-28T01:30",
            "2027-03-28T02:30:00",
        ),
        (
            "Europe/Berlin",
            "FREQ=DAILY;BYHOUR=3",
            "03:30",
            "2027-03-28T01:30",
            "2027-03-28T03:30:00",
        ),
        ("Europe/Berlin", "FREQ=HOURLY", "03:30", "2027-03-28T01:30", "2027-03-28T03:30:00"),
        ("America/Santiago", "FREQ=DAILY", "00:15", "2027-09-05T04:15", "2027-09-05T00:15:00"),
        ("Pacific/Apia", "FREQ=DAILY", "18:00", "2011-12-31T04:00", "2011-12-31T18:00:00"),
    ],
)
def test_the_nominal_time_is_found_in_a_gap(zone, rule, start, at, nominal):
    begin = datetime.fromisoformat(f"2027-03-01T{start}")
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)

    result = migration.nominal_time(moment, ZoneInfo(zone), migration.clocks_of(rule, begin))

    assert result.isoformat() == nominal


def test_exclusions_become_instants():
    zone = ZoneInfo("Europe/Berlin")

    assert migration.excluded_instant("2027-03-08", zone) == "2027-03-08"
    assert migration.excluded_instant("2027-03-15T18:00:00", zone) == "2027-03-15T17:00:00Z"

"""Events in zones over HTTP: another zone, a day in the reader's zone, the ends of the calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from events.models import Event
from events.tests.factories import EventFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def edited(client, event: Event, **changes) -> dict:
    response = client.patch(f"/api/events/{event.pk}/", changes)
    assert response.status_code == 200, response.content
    return response.json()


def errors_of(response) -> dict[str, str]:
    assert response.status_code == 400, response.content
    return {error["field"]: error["code"] for error in response.json()["errors"]}


# --- another zone ---


@pytest.mark.parametrize(
    ("start", "old", "new", "moved_start", "hours"),
    [
        # 18:00 there is 18:00 here, in winter and in summer
        ("2027-02-01T12:30", "Asia/Kolkata", "Europe/Berlin", "2027-02-01T17:00:00Z", 2),
        ("2027-07-01T12:30", "Asia/Kolkata", "Europe/Berlin", "2027-07-01T16:00:00Z", 2),
        ("2027-07-01T16:00", "Europe/Berlin", "America/New_York", "2027-07-01T22:00:00Z", 2),
        # between the changes of the clocks in the two zones
        ("2027-03-20T17:00", "Europe/Berlin", "America/New_York", "2027-03-20T22:00:00Z", 2),
        # another day
        ("2027-02-01T12:30", "Asia/Kolkata", "Pacific/Apia", "2027-02-01T05:00:00Z", 2),
        # 01:30 to 03:30 in the night with an hour less, and in the one with an hour more
        ("2027-03-27T20:00", "Asia/Kolkata", "Europe/Berlin", "2027-03-28T00:30:00Z", 1),
        ("2027-10-30T20:00", "Asia/Kolkata", "Europe/Berlin", "2027-10-30T23:30:00Z", 3),
        # half an hour of summer time
        ("2027-07-01T08:00", "UTC", "Australia/Lord_Howe", "2027-06-30T21:30:00Z", 2),
        ("2027-12-01T08:00", "UTC", "Australia/Lord_Howe", "2027-11-30T21:00:00Z", 2),
        # zones that gave up summer time
        ("2027-12-01T18:00", "UTC", "America/Sao_Paulo", "2027-12-01T21:00:00Z", 2),
        ("2027-07-01T18:00", "UTC", "Asia/Tehran", "2027-07-01T14:30:00Z", 2),
    ],
)
def test_a_new_zone_can_keep_the_time_on_the_clock(
    olga, signed_in, start, old, new, moved_start, hours
):
    event = EventFactory(organizer=olga, start_time=at(start), timezone=old)

    rendered = edited(signed_in(olga), event, timezone=new, keep_local_time=True)

    event.refresh_from_db()
    assert (rendered["timezone"], rendered["start_time"]) == (new, moved_start)
    assert event.end_time - event.start_time == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("start", "skipped"),
    [("2027-03-27T21:00", "start_time"), ("2027-03-27T19:00", "end_time")],
)
def test_a_wall_clock_time_that_the_new_zone_skips_is_an_error(olga, signed_in, start, skipped):
    event = EventFactory(organizer=olga, start_time=at(start), timezone="Asia/Kolkata")
    client, path = signed_in(olga), f"/api/events/{event.pk}/"
    body = {"timezone": "Europe/Berlin", "keep_local_time": True}

    response = client.patch(path, body)

    assert errors_of(response) == {skipped: "nonexistent_time"}
    assert client.patch(path, {**body, skipped: "2027-03-28T05:00"}).status_code == 200


def test_a_new_zone_alone_moves_only_what_clocks_show(anyone, olga, signed_in):
    event = EventFactory(organizer=olga, start_time=at("2027-07-01T16:00"))

    rendered = edited(signed_in(olga), event, timezone="Asia/Kolkata", keep_local_time=False)

    converted = anyone.get(f"/api/events/{event.pk}/?timezone={rendered['timezone']}").json()
    assert rendered["start_time"] == "2027-07-01T16:00:00Z"
    assert converted["start_time"] == "2027-07-01T21:30:00+05:30"


def test_a_time_that_is_sent_with_the_zone_is_in_that_zone(olga, signed_in):
    event = EventFactory(organizer=olga, start_time=at("2027-07-01T16:00"))
    changes = {"timezone": "Asia/Kolkata", "start_time": "2027-07-01T19:00"}

    rendered = edited(signed_in(olga), event, **changes, keep_local_time=True)

    assert rendered["start_time"] == "2027-07-01T13:30:00Z"
    assert rendered["end_time"] == "2027-07-01T14:30:00Z"  # 20:00 in Berlin, kept on the clock


def test_keeping_the_time_on_the_clock_may_lead_into_the_past(clock, olga, signed_in):
    event = EventFactory(
        organizer=olga, start_time=at("2027-01-15T13:00"), timezone="America/New_York"
    )
    body = {"timezone": "Asia/Kolkata", "keep_local_time": True}

    response = signed_in(olga).patch(f"/api/events/{event.pk}/", body)

    assert errors_of(response) == {"start_time": "in_the_past"}


def test_keeping_the_time_without_a_new_zone_changes_nothing(olga, signed_in):
    event = EventFactory(organizer=olga, start_time=at("2027-07-01T16:00"))

    rendered = edited(signed_in(olga), event, keep_local_time=True)

    event.refresh_from_db()
    assert (rendered["start_time"], event.version) == ("2027-07-01T16:00:00Z", 1)


# --- a day in the reader's zone ---


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [
        ("UTC", "2027-07-01", "2027-07-01T00:00", "2027-07-01T23:59"),
        ("Asia/Kolkata", "2027-07-01", "2027-06-30T18:30", "2027-07-01T18:29"),
        ("America/New_York", "2027-07-01", "2027-07-01T04:00", "2027-07-02T03:59"),
        # 23 and 25 hours
        ("Europe/Berlin", "2027-03-28", "2027-03-27T23:00", "2027-03-28T21:59"),
        ("Europe/Berlin", "2027-10-31", "2027-10-30T22:00", "2027-10-31T22:59"),
        # 23 hours and a half
        ("Australia/Lord_Howe", "2027-10-03", "2027-10-02T13:30", "2027-10-03T12:59"),
        # midnight itself is skipped
        ("Africa/Cairo", "2027-04-30", "2027-04-29T22:00", "2027-04-30T20:59"),
    ],
)
def test_a_day_is_as_long_as_it_is_in_the_readers_zone(anyone, olga, zone, day, first, last):
    minute = timedelta(minutes=1)
    for name, start in (
        ("before", at(first) - minute),
        ("first", at(first)),
        ("last", at(last)),
        ("after", at(last) + minute),
    ):
        EventFactory(organizer=olga, name=name, start_time=start)

    for query, headers in ((f"&timezone={zone}", {}), ("", {"Time-Zone": zone})):
        results = anyone.get(f"/api/events/?date={day}{query}", headers=headers).json()["results"]
        assert [event["name"] for event in results] == ["first", "last"]


# --- the ends of the calendar ---


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ("0001-01-01T00:00:00Z", "min_value"),
        ("0001-01-01T00:00:00+14:00", "min_value"),
        ("1899-12-31T23:59:59", "min_value"),
        ("9999-12-31T23:59:59Z", "max_value"),
        ("9999-12-31T23:59:59-23:59", "max_value"),
        ("9001-01-01T00:00:00", "max_value"),
        ("2027-03-15T24:00:00Z", "invalid"),
        ("2027-03-15T23:59:60Z", "invalid"),  # no clock here shows leap seconds
        ("2027-03-15T09:00:00+05:53:28", "invalid"),
        ("2027-03-15T09:00:00+24:00", "invalid"),
        ("2027-02-29T09:00:00Z", "invalid"),
        ("2027-W11-1T09:00:00Z", "invalid"),
        ("10000-01-01T00:00:00Z", "invalid"),
        ("-0001-01-01T00:00:00Z", "invalid"),
    ],
)
@pytest.mark.parametrize("path", ["/api/events/", "/api/series/"])
def test_a_time_beyond_the_calendar_is_refused(olga, signed_in, path, start, code):
    body = {"name": "x", "location": "y", "start_time": start}
    rule = {"recurrence": "FREQ=DAILY;COUNT=2"} if path == "/api/series/" else {}

    response = signed_in(olga).post(path, body | rule)

    assert errors_of(response) == {"start_time": code}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
def test_the_last_moment_can_be_read_in_every_zone(anyone, olga, signed_in, zone):
    body = {"name": "x", "location": "y", "start_time": "9000-12-31T23:59:59", "timezone": zone}
    created = signed_in(olga).post("/api/events/", body)
    series = signed_in(olga).post("/api/series/", {**body, "recurrence": "FREQ=WEEKLY"})

    assert created.status_code == 201, created.content
    assert series.status_code == 201, series.content
    for reader in ("Pacific/Kiritimati", "Etc/GMT%2B12"):
        path = f"/api/events/{created.json()['id']}/?timezone={reader}"
        assert anyone.get(path).status_code == 200


@pytest.mark.parametrize("query", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT%2B12", "UTC"])
def test_the_ends_of_the_calendar_are_days_without_events(anyone, event, query, zone):
    response = anyone.get(f"/api/events/?date={query}&timezone={zone}&when=all")

    assert (response.status_code, response.json()["results"]) == (200, [])


def test_zones_whose_offset_once_had_seconds(anyone, olga, signed_in):
    body = {"name": "x", "location": "y", "start_time": "2027-05-01T09:00:00",
            "timezone": "Africa/Monrovia"}  # fmt: skip
    Event.objects.filter(pk=signed_in(olga).post("/api/events/", body).json()["id"]).update(
        start_time=datetime(1950, 1, 1, tzinfo=UTC), end_time=datetime(1950, 1, 2, tzinfo=UTC)
    )

    (old,) = anyone.get("/api/events/?when=past&timezone=Africa/Monrovia").json()["results"]

    assert datetime.fromisoformat(old["start_time"]) == datetime(1950, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "rendered"),
    [
        ("Asia/Kolkata", "1904-03-01T01:57:00+05:21"),  # +05:21:10
        ("Europe/Lisbon", "1904-02-29T19:59:00-00:37"),  # -00:36:45
        ("UTC", "1904-02-29T20:36:00Z"),
    ],
)
def test_an_offset_with_seconds_is_shown_in_whole_minutes(anyone, event, zone, rendered):
    """RFC 3339, section 5.6: an offset has hours and minutes alone."""
    Event.objects.update(registration_opens_at=datetime(1904, 2, 29, 20, 36, tzinfo=UTC))

    paths = (f"/api/events/{event.pk}/", "/api/events/")
    one, listed = (anyone.get(path, {"timezone": zone}).json() for path in paths)

    assert one["registration_opens_at"] == rendered
    assert listed["results"][0]["registration_opens_at"] == rendered
    assert datetime.fromisoformat(rendered) == datetime(1904, 2, 29, 20, 36, tzinfo=UTC)

"""Moves and other edits of series keep occurrences and the people registered for them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from conftest import NOW
from events.models import Event
from events.services import fill_series
from events.tests.test_series import edit, errors_of, events_of, new_series, starts
from events.zones import wall_clock
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

NIGHT = {
    "start_time": "2027-03-26T02:30",
    "end_time": "2027-03-26T03:30",
    "recurrence": "FREQ=DAILY;COUNT=4",
}


def booked(series: dict) -> list[int]:
    """Ids of the events, each with a registration."""
    events = events_of(series)
    for event in events:
        registered(event)
    return [event.pk for event in events]


def locals_of(series: dict) -> list[str]:
    return [f"{event.start_time.astimezone(event.zone):%m-%dT%H:%M}" for event in events_of(series)]


def assert_all_kept(series: dict, ids: list[int]) -> None:
    events = events_of(series)
    assert [event.pk for event in events] == ids
    assert {(event.status, event.registered_count) for event in events} == {("published", 1)}


# --- moves ---


def test_a_move_keeps_an_occurrence_that_a_gap_had_moved(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, **NIGHT)
    ids = booked(series)
    assert starts(events_of(series))[2] == "2027-03-28T01:30"  # 03:30, since 02:30 is skipped

    edit(client, series, start_time="2027-03-26T03:45")

    assert_all_kept(series, ids)
    assert starts(events_of(series)) == [
        "2027-03-26T02:45",
        "2027-03-27T02:45",
        "2027-03-28T01:45",
        "2027-03-29T01:45",
    ]


def test_a_move_out_of_a_gap_and_back_keeps_the_nominal_times(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, **NIGHT)
    ids, before = booked(series), starts(events_of(series))

    for start in ("2027-03-27T02:30", "2027-03-26T12:00", "2027-03-26T02:30"):
        edit(client, series, start_time=start)

    assert_all_kept(series, ids)
    assert starts(events_of(series)) == before


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"])
def test_until_follows_the_last_occurrence_to_the_new_zone(clock, olga, signed_in, zone):
    client = signed_in(olga)
    series = new_series(client, recurrence="FREQ=WEEKLY;BYDAY=MO;UNTIL=20270405T160000Z")
    ids, before = booked(series), locals_of(series)

    rendered = edit(client, series, timezone=zone, keep_local_time=True).json()

    assert_all_kept(series, ids)
    assert locals_of(series) == before
    last = events_of(series)[-1].start_time
    assert rendered["recurrence"] == f"FREQ=WEEKLY;BYDAY=MO;UNTIL={last:%Y%m%dT%H%M%SZ}"


def test_a_small_move_after_another_zone_alone_keeps_everybody(clock, olga, signed_in):
    client = signed_in(olga)
    evening = {"start_time": "2027-03-26T20:00", "end_time": "2027-03-26T21:00"}
    series = new_series(client, recurrence="FREQ=DAILY;COUNT=5", **evening)
    ids, before = booked(series), [event.start_time for event in events_of(series)]

    edit(client, series, timezone="Asia/Kolkata")  # 00:30 on the next day
    edit(client, series, start_time="2027-03-27T00:40")

    assert_all_kept(series, ids)
    ten_minutes = timedelta(minutes=10)
    assert [event.start_time for event in events_of(series)] == [
        start + ten_minutes for start in before
    ]


@pytest.mark.parametrize(
    ("rule", "start", "rendered"),
    [
        ("FREQ=DAILY;COUNT=6", "2027-03-02T18:00", "FREQ=DAILY;COUNT=6"),
        ("FREQ=DAILY;UNTIL=20270306", "2027-03-02T18:00", "FREQ=DAILY;UNTIL=20270307"),
        ("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=6", "2027-03-03T18:00", "FREQ=WEEKLY;BYDAY=WE,FR;COUNT=6"),
        ("FREQ=WEEKLY;BYDAY=MO;COUNT=6", "2027-03-08T18:00", "FREQ=WEEKLY;BYDAY=MO;COUNT=6"),
        ("FREQ=MONTHLY;BYDAY=1MO;COUNT=4", "2027-03-02T18:00", "FREQ=MONTHLY;BYDAY=1TU;COUNT=4"),
        (
            "FREQ=MONTHLY;BYMONTHDAY=1,15;COUNT=4",
            "2027-03-03T18:00",
            "FREQ=MONTHLY;BYMONTHDAY=3,17;COUNT=4",
        ),
        (
            "FREQ=YEARLY;BYYEARDAY=60;COUNT=3",
            "2027-03-04T18:00",
            "FREQ=YEARLY;BYYEARDAY=63;COUNT=3",
        ),
        (
            "FREQ=DAILY;BYHOUR=18,20;COUNT=4",
            "2027-03-01T23:00",
            "FREQ=DAILY;BYHOUR=1,23;COUNT=4",
        ),
        # The Monday of 29 March is the last one, and its next day is no last Tuesday.
        ("FREQ=MONTHLY;BYDAY=-1MO;COUNT=4", "2027-03-03T18:00", "FREQ=MONTHLY;BYDAY=-1WE;COUNT=4"),
    ],
)
def test_a_start_moved_by_days_moves_every_occurrence(
    clock, olga, signed_in, rule, start, rendered
):
    client = signed_in(olga)
    series = new_series(client, recurrence=rule)
    ids = booked(series)
    zone = ZoneInfo("Europe/Berlin")
    before = [wall_clock(event.start_time, zone) for event in events_of(series)]
    shift = datetime.fromisoformat(start) - datetime(2027, 3, 1, 18)

    response = edit(client, series, start_time=start)

    assert_all_kept(series, ids)
    assert response.json()["recurrence"] == rendered
    assert [wall_clock(event.start_time, zone) for event in events_of(series)] == [
        local + shift for local in before
    ]


def test_moves_from_an_event_and_of_all_move_each_event_once(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client)
    ids = booked(series)

    edit(client, series, from_event=ids[3], start_time="2027-03-23T20:00")
    edit(client, series, start_time="2027-03-23T20:30", name="Half an hour later")

    assert_all_kept(series, ids)
    assert locals_of(series) == [
        "03-01T18:30",
        "03-08T18:30",
        "03-15T18:30",
        "03-23T20:30",
        "03-30T20:30",
        "04-06T20:30",
    ]


def test_a_move_from_an_event_onto_earlier_ones_keeps_both(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client)
    ids = booked(series)

    response = edit(client, series, from_event=ids[3], start_time="2027-03-08T18:00")

    assert response.status_code == 200
    events = Event.objects.existing().filter(series_id=series["id"]).order_by("id")
    assert [event.pk for event in events] == ids
    assert starts(events)[1] == starts(events)[3] == "2027-03-08T17:00"


def test_an_end_keeps_its_wall_clock_distance(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(
        client,
        start_time="2027-03-27T22:00",
        end_time="2027-03-28T04:00",
        recurrence="FREQ=DAILY;COUNT=2",
    )

    edit(client, series, start_time="2027-03-28T01:30")  # its end is in no gap
    edit(client, series, start_time="2027-03-27T20:30")  # its end, 02:30, is

    first, second = events_of(series)
    assert first.end_time == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert second.end_time == datetime(2027, 3, 29, 0, 30, tzinfo=UTC)
    edit(client, series, start_time="2027-03-27T20:00")
    assert [f"{event.end_time:%m-%dT%H:%M}" for event in events_of(series)] == [
        "03-28T01:00",  # 02:00 is skipped too
        "03-29T00:00",
    ]


def test_a_read_series_can_be_sent_back_with_another_start(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, exdates=["2027-03-08", "2027-03-15T18:00"])
    ids = booked(series)
    path = f"/api/series/{series['id']}/"
    sent = {
        name: client.get(path).json()[name]
        for name in ("name", "location", "recurrence", "exdates", "end_time")
    }

    rendered = client.patch(
        path, sent | {"start_time": "2027-03-02T19:00", "end_time": "2027-03-02T20:30"}
    ).json()

    assert_all_kept(series, ids)
    assert rendered["exdates"] == ["2027-03-09", "2027-03-16T19:00:00"]
    assert locals_of(series)[1] == "03-23T19:00"


def test_an_unchanged_rule_is_not_a_new_rule(clock, olga, signed_in):
    client = signed_in(olga)
    rule = "FREQ=WEEKLY;BYDAY=MO;UNTIL=20270405T160000Z"
    series = new_series(client, recurrence=rule)
    ids = booked(series)

    edit(client, series, from_event=ids[3], recurrence=rule, start_time="2027-03-24T18:00")

    assert_all_kept(series, ids)
    assert locals_of(series)[3:] == ["03-24T18:00", "03-31T18:00", "04-07T18:00"]


def test_a_past_start_is_refused_while_the_first_event_is_upcoming(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client)

    assert errors_of(edit(client, series, start_time="2027-01-04T18:00")) == {
        "start_time": "in_the_past"
    }


def test_a_move_of_an_endless_series_fills_the_year_once(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, recurrence="FREQ=WEEKLY;BYDAY=MO")
    ids = booked(series)

    edit(client, series, start_time="2027-02-23T18:00")  # six days earlier
    fill_series()

    events = events_of(series)
    assert [event.pk for event in events][: len(ids)] == ids
    assert {event.start_time.strftime("%A") for event in events} == {"Tuesday"}
    assert len(set(starts(events))) == len(events)


# --- exclusions ---


def test_an_excluded_instant_excludes_that_occurrence_alone(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, **NIGHT)
    ids = booked(series)
    rendered = f"{events_of(series)[2].start_time:%Y-%m-%dT%H:%M:%SZ}"

    response = edit(client, series, exdates=[rendered])

    assert response.json()["occurrence_count"] == 3
    third = Event.objects.get(pk=ids[2])
    assert third.status == "cancelled"
    assert response.json()["exdates"] == ["2027-03-28T03:30:00"]


def test_exclusions_move_with_the_series(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, recurrence="FREQ=WEEKLY;COUNT=4", exdates=["2027-03-15T18:00"])

    moved = edit(client, series, start_time="2027-03-02T19:00").json()
    zoned = edit(client, series, timezone="Asia/Tokyo", keep_local_time=True).json()
    back = edit(client, series, exdates=[]).json()

    assert moved["exdates"] == zoned["exdates"] == ["2027-03-16T19:00:00"]
    assert (zoned["occurrence_count"], back["occurrence_count"]) == (3, 4)
    assert starts(events_of(series))[2] == "2027-03-16T10:00"


def test_the_last_occurrence_cannot_be_excluded(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, recurrence="FREQ=WEEKLY;COUNT=2")
    ids = booked(series)

    refused = edit(client, series, exdates=["2027-03-01", "2027-03-08"])

    assert errors_of(refused) == {"recurrence": "invalid_recurrence"}
    assert_all_kept(series, ids)


# --- rules ---


def test_a_rule_at_another_time_keeps_registrations_by_day(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client, recurrence="FREQ=DAILY;COUNT=5")
    ids = booked(series)

    edit(client, series, recurrence="FREQ=DAILY;BYDAY=TU,TH,SU;BYHOUR=20;COUNT=3")

    events = {event.pk: event for event in Event.objects.filter(pk__in=ids)}
    days = {pk: f"{event.start_time:%m-%dT%H:%M}" for pk, event in events.items()}
    assert [days[pk] for pk in (ids[0], ids[1], ids[3])] == [
        "03-07T19:00", "03-02T19:00", "03-04T19:00",
    ]  # fmt: skip
    assert [events[pk].status for pk in ids] == [
        "published", "published", "cancelled", "published", "cancelled",
    ]  # fmt: skip


def test_remaining_occurrences_keep_their_nominal_time(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client)
    ids = booked(series)
    client.post(f"/api/events/{ids[1]}/cancel/")
    client.delete(f"/api/events/{ids[2]}/")
    client.patch(f"/api/events/{ids[3]}/", {"start_time": "2027-03-24T10:00"})

    edit(client, series, start_time="2027-03-01T19:00")
    edit(client, series, recurrence="FREQ=WEEKLY;BYDAY=MO;COUNT=8")

    assert starts(events_of(series)) == [
        "2027-03-01T18:00",
        "2027-03-08T17:00",  # cancelled
        "2027-03-24T09:00",  # by hand
        "2027-03-29T17:00",
        "2027-04-05T17:00",
        "2027-04-12T17:00",
        "2027-04-19T17:00",
    ]


def test_a_rule_in_another_zone_keeps_the_length_on_the_clock(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(
        client,
        timezone="Asia/Tokyo",
        start_time="2027-03-14T03:15",
        end_time="2027-03-15T03:15",
        recurrence="FREQ=MONTHLY;COUNT=3",
    )

    edit(client, series, timezone="America/New_York")  # 13:15, before summer time begins there
    edit(client, series, recurrence="FREQ=DAILY;COUNT=2")

    zone = ZoneInfo("America/New_York")
    assert [
        (wall_clock(event.start_time, zone).hour, wall_clock(event.end_time, zone).hour)
        for event in events_of(series)
    ] == [(13, 13), (13, 13)]


def test_an_occurrence_before_from_event_keeps_its_nominal_time(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(
        client,
        timezone="America/New_York",
        start_time="2027-05-18T09:45",
        end_time="2027-05-18T10:15",
        recurrence="FREQ=DAILY;BYHOUR=9,21;UNTIL=20270522T134500Z",
    )
    first, by_hand = [event.pk for event in events_of(series)][:2]
    client.patch(f"/api/events/{by_hand}/", {"name": "Guest"})  # on 18 May at 21:45
    edit(client, series, recurrence="FREQ=MONTHLY;BYMONTHDAY=28,31;COUNT=1")  # on 28 May at 09:45

    lord_howe, tokyo = "Australia/Lord_Howe", "Asia/Tokyo"
    edit(client, series, from_event=first, timezone=lord_howe, start_time="2027-06-04T09:45")
    edit(client, series, start_time="2027-06-04T11:15")  # all, so the guest's nominal time is 23:15
    edit(client, series, timezone=tokyo, start_time="2027-06-04T11:25")  # 23:25 in Tokyo
    edit(client, series, from_event=by_hand, start_time="2027-05-26T00:10")  # 7 days, 45 minutes

    kept = Event.objects.in_bulk([first, by_hand])
    assert starts([kept[first]]) == ["2027-06-11T03:10"]  # 12:10 in Tokyo
    assert starts([kept[by_hand]]) == ["2027-05-19T01:45"]


def test_an_occurrence_before_the_first_turn_keeps_the_zone_of_its_rule(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client)
    ids = booked(series)
    client.patch(f"/api/events/{ids[0]}/", {"name": "Guest"})  # on 1 March at 18:00 in Berlin
    edit(client, series, recurrence="FREQ=WEEKLY;COUNT=5", start_time="2027-03-08T18:00")
    edit(client, series, from_event=ids[1], timezone="Asia/Tokyo", keep_local_time=True)

    edit(client, series, from_event=ids[0], start_time="2027-03-01T17:30Z")

    assert_all_kept(series, ids)
    assert starts(events_of(series)) == [
        "2027-03-01T17:00",  # by hand
        "2027-03-08T09:30",  # half an hour later, at 18:30 in Tokyo
        "2027-03-15T09:30",
        "2027-03-22T09:30",
        "2027-03-29T09:30",
        "2027-04-05T09:30",
    ]


def test_a_new_rule_of_a_later_part_leaves_the_earlier_part(clock, olga, signed_in):
    client = signed_in(olga)
    series = new_series(client)
    ids = booked(series)

    edit(client, series, from_event=ids[3], start_time="2027-03-23T20:00")
    edit(client, series, recurrence="FREQ=WEEKLY;COUNT=4")

    assert [event.pk for event in events_of(series)][:6] == ids
    assert len(events_of(series)) == 7


# --- a year ahead ---


def test_a_year_ahead_counts_from_a_later_start(clock, olga, signed_in):
    series = new_series(
        signed_in(olga),
        start_time="2030-01-07T18:00",
        end_time="2030-01-07T19:00",
        recurrence="FREQ=WEEKLY;BYDAY=MO",
    )

    assert fill_series() == 0
    assert starts(events_of(series))[-1] == "2031-01-06T17:00"


def test_an_endless_rule_always_has_its_next_occurrence(clock, olga, signed_in):
    series = new_series(
        signed_in(olga),
        start_time="2028-03-01T18:00",
        end_time="2028-03-01T19:00",
        recurrence="FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
    )

    clock.move_to(NOW + timedelta(days=5 * 365))
    made_now = fill_series()

    assert made_now == 0
    assert starts(events_of(series)) == ["2032-02-29T17:00"]

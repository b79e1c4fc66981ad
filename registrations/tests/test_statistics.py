"""Statistics of an event and of an account's events."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from conftest import NOW
from events.models import Category, Event
from events.services import edit_event
from events.tests.factories import EventFactory
from registrations.errors import TooManyBuckets
from registrations.models import Registration
from registrations.services import cancel_registration, check_in, undo_check_in
from registrations.statistics.buckets import Interval, Range, bucket_edges
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

COLUMNS = ("registered", "promoted", "cancelled", "checked_in")


@pytest.fixture
def organizer(olga) -> APIClient:
    """Signed in for longer than a token is valid."""
    client = APIClient()
    client.force_authenticate(olga)
    return client


@pytest.fixture
def statistics(clock, organizer):
    def read(event: Event, query: str = ""):
        response = organizer.get(f"/api/events/{event.pk}/statistics/?{query}")
        assert response.status_code == 200, response.content
        return response.json()

    return read


@pytest.fixture
def hall(clock, olga) -> Event:
    """Five hours in the evening of 1 February; two seats and a waitlist."""
    start = datetime(2027, 2, 1, 18, tzinfo=UTC)
    return EventFactory(
        organizer=olga,
        start_time=start,
        end_time=start + timedelta(hours=5),
        max_capacity=2,
        waitlist_enabled=True,
        created_at=NOW,
    )


def sums(timeline: list[dict]) -> dict[str, int]:
    return {name: sum(bucket[name] for bucket in timeline) for name in COLUMNS}


def test_totals_and_timeline_count_people(clock, hall, olga, statistics):
    first, second, third, fourth = (registered(hall) for _ in range(4))
    clock.shift(timedelta(days=1))
    cancel_registration(first)  # promotes the third
    cancel_registration(fourth)  # from the waitlist
    clock.move_to(hall.start_time - timedelta(hours=1))
    check_in(hall, second.ticket_code, by=olga)
    check_in(hall, third.ticket_code, by=olga)
    undo_check_in(hall, third.ticket_code, by=olga)

    body = statistics(hall, "timezone=UTC")

    assert body["totals"] == {
        "registrations": 4, "people": 4, "confirmed": 2, "waitlisted": 0, "pending": 0,
        "rejected": 0, "cancelled": 2, "checked_in": 1, "no_show": 0,
    }  # fmt: skip
    assert body["rates"] == {"full": 1.0, "cancelled": 0.5, "attended": 0.5}
    days = {bucket["from"][:10]: bucket for bucket in body["timeline"]}
    assert len(days) == 18
    figures = (*COLUMNS, "confirmed_at_end")
    assert [days["2027-01-15"][name] for name in figures] == [4, 0, 0, 0, 2]
    assert [days["2027-01-16"][name] for name in figures] == [0, 1, 2, 0, 2]
    assert [days["2027-01-20"][name] for name in figures] == [0, 0, 0, 0, 2]
    assert [days["2027-02-01"][name] for name in figures] == [0, 0, 0, 1, 2]
    assert (body["timezone"], body["as_of"]) == ("UTC", "2027-02-01T17:00:00Z")


def test_after_the_end_the_absent_are_counted(clock, hall, olga, statistics):
    came, _ = registered(hall), registered(hall)
    check_in(hall, came.ticket_code, by=olga)
    clock.move_to(hall.end_time + timedelta(days=30))

    body = statistics(hall, "timezone=UTC")

    assert body["totals"]["no_show"] == 1
    assert body["timeline"][-1]["from"] == "2027-02-01T00:00:00Z"


def test_a_cancellation_after_a_check_in_takes_it_back(clock, hall, olga, statistics):
    registration = registered(hall)
    check_in(hall, registration.ticket_code, by=olga)
    clock.shift(timedelta(days=2))
    cancel_registration(registration)

    body = statistics(hall)

    assert body["totals"]["checked_in"] == 0
    assert [bucket["checked_in"] for bucket in body["timeline"]] == [1, 0, -1]


def test_a_check_in_by_a_clock_that_is_ahead_is_taken_back(clock, hall, olga, statistics):
    registration = registered(hall)
    clock.shift(timedelta(minutes=14))
    check_in(hall, registration.ticket_code, by=olga, at=datetime.now(UTC) + timedelta(minutes=2))
    cancel_registration(registration)

    body = statistics(hall)

    assert body["totals"]["checked_in"] == 0
    assert sum(bucket["checked_in"] for bucket in body["timeline"]) == 0


def test_an_event_without_people_has_empty_figures(hall, statistics):
    body = statistics(hall)

    assert set(body["totals"].values()) == {0}
    assert body["rates"] == {"full": 0.0, "cancelled": None, "attended": None}
    assert body["lead_days"] == {"p10": None, "p50": None, "p90": None}
    assert (len(body["timeline"]), body["sources"], body["answers"]) == (1, {}, {})


def test_an_event_without_a_limit_is_never_full(olga, statistics):
    assert statistics(EventFactory(organizer=olga, max_capacity=None))["rates"]["full"] is None


def test_leads_are_percentiles_of_the_days_before_the_start(clock, olga, statistics):
    event = EventFactory(organizer=olga, start_time=NOW + timedelta(days=11))
    for _ in range(10):
        registered(event)  # leads of 11, 10 … 2 days
        clock.shift(timedelta(days=1))

    assert statistics(event)["lead_days"] == {"p10": 2.0, "p50": 6.0, "p90": 10.0}


def test_sources_count_the_people_of_each(anyone, clock, event, statistics):
    for number, source in enumerate(["news", "news", "friend", " news ", "", None]):
        body = {"name": "Bob", "email": f"b{number}@example.com"}
        more = {} if source is None else {"source": source}
        assert anyone.post(f"/api/events/{event.pk}/register/", body | more).status_code == 201
    long = anyone.post(f"/api/events/{event.pk}/register/", body | {"source": "x" * 65})

    assert statistics(event)["sources"] == {"news": 3, "friend": 1}
    assert list(statistics(event)["sources"]) == ["news", "friend"]
    assert long.json()["errors"][0]["field"] == "source"


def test_a_signed_in_caller_may_name_a_source(ana, event, signed_in):
    signed_in(ana).post(f"/api/events/{event.pk}/register/", {"source": "poster"})

    assert Registration.objects.get(event=event).source == "poster"


# --- buckets ---


@pytest.mark.parametrize(
    ("day", "hours"), [("2027-03-28", 23), ("2027-10-31", 25), ("2027-06-01", 24)]
)
def test_a_day_has_the_hours_of_its_zone(hall, statistics, day, hours):
    next_day = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
    query = f"from={day}&to={next_day}&timezone=Europe/Berlin"

    by_hour = statistics(hall, f"{query}&interval=hour")["timeline"]
    by_day = statistics(hall, f"{query}&interval=day")["timeline"]

    assert len(by_hour) == hours
    assert (by_hour[0]["from"], by_hour[-1]["to"]) == (by_day[0]["from"], by_day[0]["to"])
    assert len(by_day) == 1


@pytest.mark.parametrize(
    ("query", "first", "last", "number"),
    [
        ("interval=week&from=2027-03-03&to=2027-03-09", "2027-03-01", "2027-03-15", 2),
        ("interval=month&from=2027-01-31&to=2027-03-01", "2027-01-01", "2027-03-01", 2),
        ("interval=month&from=2027-01-31&to=2027-03-02", "2027-01-01", "2027-04-01", 3),
        ("interval=day&from=2027-01-05T23:30:00Z&to=2027-01-06T00:30:00Z",
         "2027-01-05", "2027-01-07", 2),
    ],
)  # fmt: skip
def test_the_range_is_widened_to_whole_buckets(hall, statistics, query, first, last, number):
    timeline = statistics(hall, f"{query}&timezone=UTC")["timeline"]

    assert len(timeline) == number
    assert (timeline[0]["from"][:10], timeline[-1]["to"][:10]) == (first, last)


def test_days_are_those_of_the_event_unless_the_request_names_a_zone(olga, statistics):
    event = EventFactory(organizer=olga, timezone="Asia/Kolkata")

    assert statistics(event)["timeline"][0]["from"].endswith("T00:00:00+05:30")
    in_utc = statistics(event, "timezone=UTC")
    assert (in_utc["timezone"], in_utc["timeline"][0]["from"][-10:]) == ("UTC", "T00:00:00Z")


def test_confirmed_at_the_end_includes_people_before_the_range(clock, hall, statistics):
    registered(hall)
    clock.shift(timedelta(days=3))

    [bucket] = statistics(hall, "from=2027-01-17&to=2027-01-18")["timeline"]

    assert (bucket["registered"], bucket["confirmed_at_end"]) == (0, 1)


def test_a_long_time_has_longer_buckets_unless_the_interval_is_chosen(
    clock, hall, organizer, statistics
):
    Event.objects.filter(pk=hall.pk).update(created_at=NOW - timedelta(days=1500))

    weeks = statistics(hall)["timeline"]
    refused = organizer.get(f"/api/events/{hall.pk}/statistics/?interval=day")

    assert len(weeks) == 215
    assert (refused.status_code, refused.json()["code"]) == (400, "too_many_buckets")
    assert refused.json()["max_buckets"] == 1000


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("interval=year", "interval", "invalid_choice"),
        ("from=soon", "from", "invalid"),
        ("from=2027-02-30", "from", "invalid"),
        ("from=0001-01-01", "from", "invalid"),
        ("to=9001-01-01", "to", "invalid"),
        ("from=2027-03-28T02:30&timezone=Europe/Berlin", "from", "nonexistent_time"),
        ("from=2027-02-01&to=2027-02-01", "to", "min_value"),
        ("from=2027-02-01&from=2027-02-02", "from", "repeated"),
        ("form=2027-02-01", "form", "unknown_parameter"),
        ("format=xlsx", "format", "invalid_choice"),
    ],
)
def test_a_parameter_that_does_not_parse_is_an_error(hall, organizer, query, field, code):
    response = organizer.get(f"/api/events/{hall.pk}/statistics/?{query}")

    assert response.status_code == 400
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [(field, code)]


@pytest.mark.parametrize("interval", Interval)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"])
@given(
    begin=st.datetimes(datetime(2017, 1, 1), datetime(2019, 1, 1)),
    hours=st.integers(0, 900),
)
def test_buckets_have_no_gaps_and_contain_the_range(interval, zone, begin, hours):
    begin = begin.replace(tzinfo=UTC)
    span = Range(begin, begin + timedelta(hours=hours))

    edges = bucket_edges(span, interval, ZoneInfo(zone))

    assert edges == sorted(set(edges))
    assert edges[0] <= span.begin < edges[1]
    assert edges[-2] < max(span.end, edges[1]) <= edges[-1]


def test_a_thousand_buckets_are_allowed():
    begin = datetime(2027, 1, 1, tzinfo=UTC)

    exact = bucket_edges(Range(begin, begin + timedelta(days=1000)), Interval.DAY, UTC)

    assert len(exact) == 1001
    with pytest.raises(TooManyBuckets):
        bucket_edges(Range(begin, begin + timedelta(days=1001)), Interval.DAY, UTC)


# --- sums ---


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["register", "cancel", "scan", "undo", "grow"]), st.integers(0, 99)
        ),
        max_size=25,
    ),
    interval=st.sampled_from(Interval),
)
def test_the_timeline_sums_to_the_totals(steps, interval):
    with time_machine.travel(NOW, tick=False) as clock:
        event = EventFactory(
            max_capacity=2, waitlist_enabled=True, start_time=NOW + timedelta(days=60)
        )
        registrations: list[Registration] = []
        client = APIClient()
        client.force_authenticate(event.organizer)
        for step, number in steps:
            clock.shift(timedelta(hours=7))
            row = registrations[number % len(registrations)] if registrations else None
            if step == "register":
                registrations.append(registered(event))
            elif step == "grow":
                event.refresh_from_db()
                edit_event(event, {"max_capacity": event.max_capacity + 1})
            elif row is not None and step == "cancel":
                cancel_registration(row)
            elif row is not None:
                path = f"/api/events/{event.pk}/check-in/{'undo/' if step == 'undo' else ''}"
                client.post(path, {"ticket_code": row.ticket_code})
        body = client.get(f"/api/events/{event.pk}/statistics/?interval={interval}").json()

    rows = Registration.objects.filter(event=event)
    by_status = Counter(rows.values_list("status", flat=True))
    present = rows.filter(checked_in_at__isnull=False).exclude(status="cancelled").count()
    totals, timeline = body["totals"], body["timeline"]
    assert {name: totals[name] for name in ("confirmed", "waitlisted", "cancelled")} == {
        name: by_status[name] for name in ("confirmed", "waitlisted", "cancelled")
    }
    assert (totals["registrations"], totals["checked_in"]) == (len(registrations), present)
    added = sums(timeline)
    assert (added["registered"], added["cancelled"], added["checked_in"]) == (
        totals["people"], totals["cancelled"], totals["checked_in"],
    )  # fmt: skip
    assert timeline[-1]["confirmed_at_end"] == totals["confirmed"]


# --- files and the account ---


def test_the_timeline_as_csv(clock, hall, organizer):
    registered(hall)

    response = organizer.get(f"/api/events/{hall.pk}/statistics/?format=csv&timezone=UTC")

    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f"event-{hall.pk}-statistics.csv" in response.headers["Content-Disposition"]
    assert response.content.decode().splitlines() == [
        "from,to,registered,promoted,cancelled,checked_in,confirmed_at_end",
        "2027-01-15T00:00:00Z,2027-01-16T00:00:00Z,1,0,0,0,1",
    ]


@pytest.fixture
def own_events(clock, olga, max_) -> list[Event]:
    jazz = {"organizer": olga, "category": Category.objects.get(slug="meetup")}
    first = EventFactory(**jazz, name="=1+1", start_time=NOW + timedelta(days=1))
    second = EventFactory(organizer=olga, start_time=datetime(2027, 1, 31, 23, 30, tzinfo=UTC))
    for event in (first, first, second):
        registered(event)
    cancel_registration(registered(first))
    registered(EventFactory(organizer=max_))
    return [first, second]


@pytest.mark.parametrize(
    ("group_by", "label", "groups"),
    [
        ("event", "name", [("=1+1", 3, 2), (None, 1, 1)]),
        ("month", "month", [("2027-01", 3, 2), ("2027-02", 1, 1)]),  # in olga's zone
        ("category", "category", [("meetup", 3, 2), (None, 1, 1)]),
    ],
)
def test_the_events_of_an_account_are_grouped(own_events, organizer, group_by, label, groups):
    body = organizer.get(f"/api/me/statistics/?group_by={group_by}").json()

    names = [name or own_events[1].name if label == "name" else name for name, _, _ in groups]
    assert [(g[label], g["registrations"], g["confirmed"]) for g in body["results"]] == [
        (name, *figures) for name, (_, *figures) in zip(names, groups, strict=True)
    ]
    assert (body["totals"]["events"], body["totals"]["people"]) == (2, 4)
    assert (body["totals"]["cancelled"], body["timezone"]) == (1, "Europe/Berlin")


def test_the_groups_as_csv_run_no_formula(own_events, organizer):
    response = organizer.get("/api/me/statistics/?format=csv")

    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [row["name"] for row in rows] == ["'=1+1", own_events[1].name]
    assert organizer.get("/api/me/statistics/?group_by=x").status_code == 400


def test_statistics_take_the_same_queries_for_many_events(
    own_events, organizer, olga, django_assert_num_queries
):
    with django_assert_num_queries(2) as first:
        organizer.get("/api/me/statistics/")
    EventFactory.create_batch(5, organizer=olga)
    with django_assert_num_queries(len(first)):
        organizer.get("/api/me/statistics/")


def test_the_changes_are_read_from_an_index(hall):
    """As the statement does it for a large event."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(
            "EXPLAIN SELECT kind, at FROM registrations_ledgerentry"
            " WHERE event_id = %s AND kind <> 'registered'",
            [hall.pk],
        )
        plan = "\n".join(row for (row,) in cursor.fetchall())

    assert "Index Only Scan using ledger_changes" in plan

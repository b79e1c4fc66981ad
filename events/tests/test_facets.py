"""Counts of a list by category, month and location."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import grant
from config.errors import InvalidTimezone
from conftest import NOW
from events.models import Event
from events.search import facets
from events.search.page_planner import PagePlan
from events.search.page_sql import Selection
from events.tests.factories import CategoryFactory, EventFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

PATH = "/api/events/facets/"


def facets_of(client, query: str = "") -> dict:
    response = client.get(f"{PATH}{query}")
    assert response.status_code == 200, response.content
    return response.json()


@pytest.fixture
def programme(olga) -> None:
    meetup = CategoryFactory(slug="meetup")
    march, april = datetime(2027, 3, 31, 20, tzinfo=UTC), datetime(2027, 4, 9, tzinfo=UTC)
    for fields in (
        {"start_time": march, "category": meetup, "name": "Jazz", "location": "Rom"},
        {"start_time": march, "category": meetup, "name": "Rock", "location": "Oslo"},
        {"start_time": april, "name": "Jazz again", "location": "Oslo"},
        {"start_time": april, "name": "Draft", "status": "draft"},
        {"start_time": april, "name": "Gone", "deleted_at": NOW},
        {"start_time": NOW - timedelta(days=3), "name": "Past", "category": meetup},
    ):
        EventFactory(organizer=olga, **fields)


@pytest.mark.usefixtures("programme")
def test_facets_count_the_events_of_the_list(anyone):
    assert facets_of(anyone) == {
        "count": 3,
        "approximate": False,
        "categories": [
            {"slug": "meetup", "name": "Meetup", "count": 2},
            {"slug": None, "name": None, "count": 1},
        ],
        "months": [{"month": "2027-03", "count": 2}, {"month": "2027-04", "count": 1}],
        "locations": [{"location": "Oslo", "count": 2}, {"location": "Rom", "count": 1}],
    }
    assert facets_of(anyone, "?when=all")["count"] == 4


@pytest.mark.usefixtures("programme")
def test_facets_take_the_filters_of_the_list(anyone, olga, signed_in):
    counts = facets_of(anyone, "?search=jaz")

    assert counts["count"] == 2
    assert [month["month"] for month in counts["months"]] == ["2027-03", "2027-04"]
    assert facets_of(anyone, "?category=meetup")["locations"] == [
        {"location": "Oslo", "count": 1},
        {"location": "Rom", "count": 1},
    ]
    assert facets_of(anyone, "?status=draft")["count"] == 0
    assert facets_of(signed_in(olga), "?status=draft")["count"] == 1
    assert facets_of(anyone, "?category=no-such") == {
        "count": 0, "approximate": False, "categories": [], "months": [], "locations": [],
    }  # fmt: skip


@pytest.mark.usefixtures("programme")
def test_months_are_those_of_the_requests_zone(anyone):
    months = facets_of(anyone, "?timezone=Asia/Kolkata")["months"]

    assert months == [{"month": "2027-04", "count": 3}]


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("catgory=meetup", "catgory", "unknown_parameter"),
        ("page_size=5", "page_size", "unknown_parameter"),
        ("when=soon", "when", "invalid_choice"),
        ("near=1", "near", "invalid"),
    ],
)
def test_facets_refuse_bad_parameters(anyone, query, field, code):
    response = anyone.get(f"{PATH}?{query}")

    assert response.status_code == 400
    assert {"field": field, "code": code}.items() <= response.json()["errors"][0].items()


def test_facets_take_the_same_queries_for_any_number_of_events(anyone, olga):
    EventFactory(organizer=olga, category=CategoryFactory())
    with CaptureQueriesContext(connection) as few:
        facets_of(anyone)
    EventFactory.create_batch(3, organizer=olga, category=CategoryFactory(slug="meetup"))

    with CaptureQueriesContext(connection) as more:
        facets_of(anyone)

    assert len(more) == len(few) == 2


def test_facets_are_current_at_each_request(anyone, olga, clock):
    category = CategoryFactory(slug="meetup", name="Meetup")
    EventFactory(organizer=olga, category=category, start_time=NOW + timedelta(hours=1))
    late = EventFactory(organizer=olga, start_time=NOW + timedelta(hours=3), location="Oslo")

    before = facets_of(anyone)
    clock.shift(timedelta(hours=2))
    category.name = "Meetups"
    category.save()
    EventFactory(
        organizer=olga, category=category, start_time=late.start_time, location=late.location
    )

    assert before["count"] == 2
    assert [each["name"] for each in before["categories"]] == ["Meetup", None]
    after = facets_of(anyone)
    assert [each["name"] for each in after["categories"]] == ["Meetups", None]
    assert after["locations"] == [{"location": "Oslo", "count": 2}]


def test_facets_depend_on_the_viewer_of_each_request(anyone, olga, max_, sam, signed_in, clock):
    EventFactory(organizer=olga, status=Event.Status.DRAFT, name="Jazz")
    path = "?status=draft&search=jazz"
    grant(sam, "events.view_event")

    for client, number in ((sam, 1), (None, 0), (olga, 1), (max_, 0), (None, 0)):
        counts = facets_of(signed_in(client) if client else anyone, path)
        assert counts["count"] == number


@pytest.mark.usefixtures("programme")
def test_facets_depend_on_the_words_and_zone_of_each_request(anyone):
    numbers = [facets_of(anyone, f"?search={word}")["count"] for word in ("jazz", "rock", "oslo")]
    zones = ("UTC", "Asia/Kolkata", "UTC")
    months = [facets_of(anyone, f"?search=oslo&timezone={zone}")["months"] for zone in zones]

    assert numbers == [2, 1, 2]
    assert [len(each) for each in months] == [2, 1, 2]
    assert facets_of(anyone, "?search=rock -oslo")["count"] == 0
    assert facets_of(anyone, '?search="jazz again"')["count"] == 1


def test_facets_count_the_events_of_the_list_for_misspelt_words(anyone, olga):
    EventFactory(organizer=olga, name="Jazz", start_time=NOW - timedelta(days=9))
    EventFactory(organizer=olga, name="Jazzy night")
    EventFactory(organizer=olga, name="Rocket launch", location="Oslo")
    EventFactory(organizer=olga, name="Rockets of old", start_time=NOW - timedelta(days=9))

    for words in ("jazzi", "rokcet", "rockets", "rocketz oslo", "zzzzz"):
        listed = anyone.get("/api/events/", {"search": words}).json()["results"]
        assert facets_of(anyone, f"?search={words}")["count"] == len(listed), words
    assert facets_of(anyone, "?search=rockets")["locations"] == [{"location": "Oslo", "count": 1}]


def test_facets_do_not_cache_the_results_of_earlier_queries(anyone, olga):
    path = "?category=a&category=b&location=ro"
    before = facets_of(anyone, path)
    for slug in "ab":
        EventFactory(organizer=olga, category=CategoryFactory(slug=slug), location="Rom")

    assert before["count"] == 0
    assert facets_of(anyone, path)["count"] == 2


def test_a_zone_that_the_database_does_not_know_is_refused(olga):
    EventFactory(organizer=olga)
    with (files("tzdata.zoneinfo") / "UTC").open("rb") as file:
        zone = ZoneInfo.from_file(file, key="Mars/Olympus_Mons")
    plan = PagePlan(lambda: Selection(Event.objects.visible_to(olga)))

    with pytest.raises(InvalidTimezone, match="Mars/Olympus_Mons"):
        facets.Facets(plan, zone).as_dict()

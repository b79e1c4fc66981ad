"""Counts of a list by category, month and location."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conftest import NOW
from events import facets
from events.models import Category, Event
from events.services import count_words
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
def test_facets_count_what_the_list_shows(anyone):
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
    found = facets_of(anyone, "?search=jaz")

    assert found["count"] == 2
    assert [month["month"] for month in found["months"]] == ["2027-03", "2027-04"]
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
def test_facets_are_strict(anyone, query, field, code):
    response = anyone.get(f"{PATH}?{query}")

    assert response.status_code == 400
    assert {"field": field, "code": code}.items() <= response.json()["errors"][0].items()


@pytest.fixture
def many(olga, monkeypatch) -> None:
    """4,000 events, which are many; by their ids it is always the same ones that are sampled."""
    monkeypatch.setattr(facets, "EXACT", 300)
    slugs = ("conference", "meetup", "workshop")
    categories = [Category.objects.get(slug=slug) for slug in slugs]
    Event.objects.bulk_create(
        EventFactory.build(
            pk=number,
            organizer=olga,
            category=categories[0 if number % 2 else number % 3],
            name=f"Concert {number % 8}",
            location=f"Hall {number % 5}",
            start_time=NOW + timedelta(days=1 + number % 50),
        )
        for number in range(1, 4001)
    )


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(("looked_at", "told_from"), [(10_000, 2_000), (60, 20), (60, 200)])
def test_facets_of_many_are_estimates_from_a_sample(anyone, monkeypatch, looked_at, told_from):
    for name in ("LOOKED_AT", "READ"):
        monkeypatch.setattr(facets, name, looked_at)
    for name in ("TOLD_FROM", "TOLD_FROM_READ"):
        monkeypatch.setattr(facets, name, told_from)

    found = facets_of(anyone)

    near = 0.1 if told_from > looked_at // 2 else 0.4
    expected = Counter(Event.objects.values_list("category__slug", flat=True))
    assert found["approximate"] is True
    assert found["count"] == pytest.approx(4000, rel=near)
    assert {each["slug"]: each["count"] for each in found["categories"]} == pytest.approx(
        expected, rel=2 * near
    )
    assert [each["month"] for each in found["months"]] == ["2027-01", "2027-02", "2027-03"]
    assert len(found["locations"]) == 5
    assert facets_of(anyone) == found  # the same sample, and so the same ETag
    some = facets_of(anyone, "?search=hall&location=hall 3")
    assert (some["approximate"], some["count"]) == (True, pytest.approx(800, rel=2 * near))


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("is_counted", [True, False])
def test_facets_of_few_among_many_are_exact(anyone, is_counted):
    if is_counted:
        count_words()
    for query, number in (("date=2027-01-17", 80), ('search="concert 3" "hall 4"', 100)):
        found = facets_of(anyone, f"?{query}")

        assert (found["count"], found["approximate"]) == (number, False)
        assert sum(month["count"] for month in found["months"]) == number


def test_facets_cost_the_same_queries_whatever_there_is(anyone, olga):
    EventFactory(organizer=olga, category=CategoryFactory())
    with CaptureQueriesContext(connection) as few:
        facets_of(anyone)
    EventFactory.create_batch(3, organizer=olga, category=CategoryFactory(slug="meetup"))

    with CaptureQueriesContext(connection) as more:
        facets_of(anyone)

    assert len(more) == len(few) == 2

"""Facets of a list with more events than are counted exactly."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from accounts.tests.factories import UserFactory
from conftest import NOW
from events.models import Category, Event
from events.search import facets
from events.services import count_words
from events.tests.factories import EventFactory
from events.tests.large_table import rolled_back
from events.tests.test_facets import facets_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("clock", "many_events"),
    pytest.mark.xdist_group("facet_estimates"),  # one process creates the events
]


@pytest.fixture(scope="module")
def _many_events(django_db_setup, django_db_blocker) -> Iterator[None]:
    """4,000 events. The sample of their ids is always the same."""
    with rolled_back(django_db_blocker):
        organizer = UserFactory(username="organizer-of-many")
        slugs = ("conference", "meetup", "workshop")
        categories = [Category.objects.get(slug=slug) for slug in slugs]
        Event.objects.bulk_create(
            EventFactory.build(
                pk=number,
                organizer=organizer,
                category=categories[0 if number % 2 else number % 3],
                name=f"Concert {number % 8}",
                location=f"Hall {number % 5}",
                start_time=NOW + timedelta(days=1 + number % 50),
            )
            for number in range(1, 4001)
        )
        yield


@pytest.fixture
def many_events(_many_events, monkeypatch) -> None:
    """More events than are counted exactly."""
    monkeypatch.setattr(facets, "MAX_EXACT_COUNT", 300)


@pytest.mark.parametrize(("sample_rows", "min_matches"), [(10_000, 2_000), (60, 20), (60, 200)])
def test_facets_of_long_lists_are_estimates_from_a_sample(
    anyone, monkeypatch, sample_rows, min_matches
):
    for name in ("SAMPLE_ROWS", "TEXT_SAMPLE_ROWS"):
        monkeypatch.setattr(facets, name, sample_rows)
    for name in ("MIN_SAMPLE_MATCHES", "MIN_TEXT_SAMPLE_MATCHES"):
        monkeypatch.setattr(facets, name, min_matches)

    counts = facets_of(anyone)

    near = 0.1 if min_matches > sample_rows // 2 else 0.4
    expected = Counter(Event.objects.values_list("category__slug", flat=True))
    assert counts["approximate"] is True
    assert counts["count"] == pytest.approx(4000, rel=near)
    assert {each["slug"]: each["count"] for each in counts["categories"]} == pytest.approx(
        expected, rel=2 * near
    )
    assert [each["month"] for each in counts["months"]] == ["2027-01", "2027-02", "2027-03"]
    assert len(counts["locations"]) == 5
    assert facets_of(anyone) == counts  # the same sample, and so the same ETag
    some = facets_of(anyone, "?search=hall&location=hall 3")
    assert (some["approximate"], some["count"]) == (True, pytest.approx(800, rel=2 * near))


@pytest.mark.parametrize("is_counted", [True, False])
def test_facets_of_short_lists_among_many_events_are_exact(anyone, is_counted):
    if is_counted:
        count_words()
    for query, number in (("date=2027-01-17", 80), ('search="concert 3" "hall 4"', 100)):
        counts = facets_of(anyone, f"?{query}")

        assert (counts["count"], counts["approximate"]) == (number, False)
        assert sum(month["count"] for month in counts["months"]) == number

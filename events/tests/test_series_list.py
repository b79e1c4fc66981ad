"""`GET /api/series/`: upcoming series, and one's own."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import grant
from conftest import NOW
from events.models import Event, Series
from events.services import cancel_event, delete_event, end_series
from events.tests.factories import SeriesFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

PATH = "/api/series/"


def names(client, query: str = "") -> list[str]:
    response = client.get(f"{PATH}{query}")
    assert response.status_code == 200, response.content
    return [series["name"] for series in response.json()["results"]]


@pytest.fixture
def many(olga, max_, clock) -> None:
    """Olga's series are upcoming, past, a draft, cancelled, empty and ended. One is Max's."""
    for name in ("coming", "over", "called off", "emptied", "ended"):
        SeriesFactory(organizer=olga, name=name)
        clock.shift(1)
    SeriesFactory(organizer=olga, name="draft", status="draft")
    SeriesFactory(organizer=max_, name="other")
    Event.objects.filter(series__name="over").update(
        start_time=NOW - timedelta(hours=2), end_time=NOW - timedelta(hours=1)
    )
    for event in Event.objects.filter(series__name="called off"):
        cancel_event(event)
    for event in Event.objects.filter(series__name="emptied"):
        delete_event(event)
    end_series(Series.objects.get(name="ended"))


@pytest.mark.usefixtures("many")
def test_anyone_sees_series_with_an_upcoming_public_event(anyone, max_, sam, signed_in):
    for client in (anyone, signed_in(max_), signed_in(grant(sam, "events.view_series"))):
        assert names(client, "?ordering=name") == ["coming", "other"]


@pytest.mark.usefixtures("many")
def test_the_newest_series_comes_first(anyone):
    assert names(anyone) == ["other", "coming"]
    assert names(anyone, "?ordering=created_at") == ["coming", "other"]


@pytest.mark.usefixtures("many")
def test_series_of_an_organizer(anyone, olga, max_):
    assert names(anyone, f"?organizer={olga.pk}") == ["coming"]
    assert names(anyone, f"?organizer={max_.pk}") == ["other"]


@pytest.mark.usefixtures("many")
def test_mine_includes_drafts_and_finished_series(olga, max_, signed_in):
    client = signed_in(olga)

    expected = ["called off", "coming", "draft", "emptied", "over"]
    assert names(client, "?mine=true&ordering=name") == expected
    assert names(client, "?mine=false") == ["other", "coming"]
    assert names(client, f"?mine=true&organizer={max_.pk}") == []


def test_mine_needs_a_sign_in(anyone):
    response = anyone.get(f"{PATH}?mine=true")

    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("mine=maybe", "mine", "invalid"),
        ("organizer=olga", "organizer", "invalid"),
        ("page_size=0", "page_size", "min_value"),
        ("ordering=rule", "ordering", "invalid_choice"),
        ("dry_run=true", "dry_run", "unknown_parameter"),
    ],
)
def test_invalid_parameters_are_refused_by_name(anyone, query, field, code):
    response = anyone.get(f"{PATH}?{query}")

    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert (error["field"], error["code"]) == (field, code)


def test_row_equals_the_series_itself(anyone, olga, signed_in):
    series = SeriesFactory(organizer=olga, meeting_url="https://meet.example.com/1")

    for client in (anyone, signed_in(olga)):
        (row,) = client.get(PATH).json()["results"]
        assert row == client.get(f"{PATH}{series.pk}/").json()
    assert row["occurrence_count"] == 3


def test_pages_lead_to_each_series_once(anyone, olga):
    made = [SeriesFactory(organizer=olga).pk for _ in range(5)]
    ids, path = [], f"{PATH}?page_size=2&count=true"

    while path:
        page = anyone.get(path).json()
        ids += [series["id"] for series in page["results"]]
        path = page["next"]

    assert ids == made[::-1]
    assert page["count"] == 5


def test_list_takes_as_many_queries_for_three_as_for_one(anyone, olga):
    counts = []
    for _ in range(2):
        SeriesFactory(organizer=olga)
        with CaptureQueriesContext(connection) as captured:
            anyone.get(PATH)
        counts.append(len(captured))
        SeriesFactory(organizer=olga)

    assert counts == [1, 1]


def test_list_responds_304_to_its_etag(anyone, olga):
    SeriesFactory(organizer=olga)
    etag = anyone.get(PATH)["ETag"]

    assert anyone.get(PATH, HTTP_IF_NONE_MATCH=etag).status_code == 304
